import { SHORT_ANSWER, type Task } from './task.js';

/** Questions that need knowledge of the world, answered in words. Schwenk et al., "A-OKVQA: a benchmark for visual question answering using world knowledge" (2022). */
export const aOkvqaDirect: Task = {
  name: 'a-okvqa-direct',
  about: 'questions that need knowledge of the world, answered in words',
  source: 'Schwenk et al., "A-OKVQA: a benchmark for visual question answering using world knowledge" (2022)',
  data: { kind: 'repository', repository: 'HuggingFaceM4/A-OKVQA', split: 'validation' },
  where: { difficult_direct_answer: 'false' },
  images: { fields: ['image'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'direct_answers', all: true },
  metric: 'direct-answer',
  maxTokens: 16,
};
