import { SHORT_ANSWER, type Task } from './task.js';

/** Questions whose answer is written in the image. Singh et al., "Towards VQA models that can read" (2019). */
export const textvqa: Task = {
  name: 'textvqa',
  about: 'questions whose answer is written in the image',
  source: 'Singh et al., "Towards VQA models that can read" (2019)',
  data: { kind: 'repository', repository: 'lmms-lab/textvqa', split: 'validation' },
  images: { fields: ['image'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'answers', all: true },
  metric: 'vqa-always',
  maxTokens: 16,
};
