import { SHORT_ANSWER, type Task } from './task.js';

/** Is an object there that might be, and is not. Li et al., "Evaluating object hallucination in large vision-language models" (2023). */
export const pope: Task = {
  name: 'pope',
  about: 'is an object there that might be, and is not',
  source: 'Li et al., "Evaluating object hallucination in large vision-language models" (2023)',
  data: { kind: 'repository', repository: 'lmms-lab/POPE', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'answer' },
  metric: 'pope',
  category: 'category',
  maxTokens: 16,
};
