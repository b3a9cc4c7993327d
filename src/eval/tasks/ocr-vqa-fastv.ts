import type { Task } from './task.js';

/**
 * Questions about book covers as the authors of FastV ask and score them (github.com/pkunlp-icler/FastV,
 * inference_ocrvqa.py): the bare question, ROUGE-L. They take the first 500 covers; here `--limit` counts questions.
 */
export const ocrVqaFastv: Task = {
  name: 'ocr-vqa-fastv',
  about: "questions about book covers, asked and scored as FastV's authors do",
  source: 'Mishra et al., "OCR-VQA: visual question answering by reading text in images" (2019)',
  data: { kind: 'repository', repository: 'howard-hou/OCR-VQA', split: 'test' },
  explode: ['questions', 'answers'],
  images: { fields: ['image'] },
  prompt: ['{questions}'],
  answer: { field: 'answers' },
  metric: 'rouge-l',
  maxTokens: 50,
};
