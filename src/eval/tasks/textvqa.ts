import { SHORT_ANSWER, type Task } from './task.js';

const COMMON = {
  source: 'Singh et al., "Towards VQA models that can read" (2019)',
  data: { kind: 'repository', repository: 'lmms-lab/textvqa', split: 'validation' },
  images: { fields: ['image'] },
  answer: { field: 'answers', all: true },
  metric: 'vqa-always',
  maxTokens: 16,
} as const satisfies Partial<Task>;

/** Questions whose answer is written in the image, by the image alone (lmms-eval since July 2026, which capitalises them). */
export const textvqa: Task = {
  ...COMMON,
  name: 'textvqa',
  about: 'questions whose answer is written in the image',
  prompt: ['{question}', SHORT_ANSWER],
};

/**
 * The same with the words that an OCR system read, as LLaVA's evaluation gives them
 * (llava_textvqa_val_v051_ocr.jsonl): scores are about 12 points higher and cannot be set beside the others. A row
 * without such words is asked without the line.
 */
export const textvqaOcr: Task = {
  ...COMMON,
  name: 'textvqa-ocr',
  about: 'questions whose answer is written in the image, beside what an OCR system read',
  prompt: ['{question}', '{?ocr_tokens}Reference OCR token: {ocr_tokens}', SHORT_ANSWER],
};
