import { SHORT_ANSWER, type Task } from './task.js';

/**
 * Questions that blind people asked about their own photographs, some of which cannot be answered. Gurari et al., "VizWiz grand
 * challenge" (2018). The validation split, as lmms-eval and LLaVA ask it (lmms-eval capitalises the question); columns and
 * splits as on the card of lmms-lab/VizWiz-VQA.
 */
export const vizwiz: Task = {
  name: 'vizwiz',
  about: 'questions that blind people asked about their own photographs',
  source: 'Gurari et al., "VizWiz grand challenge: answering visual questions from blind people" (2018)',
  data: { kind: 'repository', repository: 'lmms-lab/VizWiz-VQA', split: 'val' },
  images: { fields: ['image'] },
  prompt: [
    '{question}',
    "When the provided information is insufficient, respond with 'Unanswerable'.",
    SHORT_ANSWER,
  ],
  answer: { field: 'answers', all: true },
  metric: 'vqa-always',
  category: 'category',
  maxTokens: 16,
};
