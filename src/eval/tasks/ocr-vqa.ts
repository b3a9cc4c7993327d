import { SHORT_ANSWER, type Task } from './task.js';

/** Questions about book covers. Mishra et al., "OCR-VQA: visual question answering by reading text in images" (2019). */
export const ocrVqa: Task = {
  name: 'ocr-vqa',
  about: 'questions about book covers',
  source: 'Mishra et al., "OCR-VQA: visual question answering by reading text in images" (2019)',
  data: { kind: 'repository', repository: 'howard-hou/OCR-VQA', split: 'test' },
  explode: ['questions', 'answers'],
  images: { fields: ['image'] },
  prompt: ['{questions}', SHORT_ANSWER],
  answer: { field: 'answers' },
  metric: 'exact-match',
  maxTokens: 32,
};
