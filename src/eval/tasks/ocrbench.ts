import type { Task } from './task.js';

/**
 * Text in images, in ten kinds of questions. Liu et al., "OCRBench: on the hidden mystery of OCR in large multimodal models"
 * (2024). Asked as the benchmark and lmms-eval do it, the bare question; columns of echo840/OCRBench as lmms-eval reads them
 * (question, answer, dataset, question_type). The dataset itself was not read here.
 */
export const ocrbench: Task = {
  name: 'ocrbench',
  about: 'text in images: recognition, questions, key information, formulas',
  source: 'Liu et al., "OCRBench: on the hidden mystery of OCR in large multimodal models" (2024)',
  data: { kind: 'repository', repository: 'echo840/OCRBench', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}'],
  answer: { field: 'answer', all: true },
  metric: 'ocrbench',
  category: 'question_type',
  maxTokens: 128,
};
