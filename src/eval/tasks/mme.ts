import { SHORT_ANSWER, type Task } from './task.js';

/** Fourteen kinds of yes-or-no questions, in pairs. Fu et al., "MME: a comprehensive evaluation benchmark for multimodal large language models" (2023). */
export const mme: Task = {
  name: 'mme',
  about: 'fourteen kinds of yes-or-no questions, in pairs',
  source:
    'Fu et al., "MME: a comprehensive evaluation benchmark for multimodal large language models" (2023)',
  data: { kind: 'repository', repository: 'lmms-lab/MME', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}', SHORT_ANSWER],
  remove: [' Please answer yes or no.'],
  answer: { field: 'answer' },
  metric: 'mme',
  category: 'category',
  group: 'question_id',
  maxTokens: 16,
};
