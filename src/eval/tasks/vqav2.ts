import { SHORT_ANSWER, type Task } from './task.js';

/** Open questions about everyday scenes. Goyal et al., "Making the V in VQA matter" (2017). */
export const vqav2: Task = {
  name: 'vqav2',
  about: 'open questions about everyday scenes',
  source: 'Goyal et al., "Making the V in VQA matter" (2017)',
  data: { kind: 'repository', repository: 'lmms-lab/VQAv2', split: 'validation' },
  images: { fields: ['image'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'answers', all: true, item: 'answer' },
  metric: 'vqa',
  category: 'answer_type',
  maxTokens: 16,
};
