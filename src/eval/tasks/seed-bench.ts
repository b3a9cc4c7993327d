import { LETTER_ANSWER, type Task } from './task.js';

/** Twelve kinds of understanding, images and short films. Li et al., "SEED-Bench: benchmarking multimodal LLMs with generative comprehension" (2023). */
export const seedBench: Task = {
  name: 'seed-bench',
  about: 'twelve kinds of understanding, images and short films',
  source: 'Li et al., "SEED-Bench: benchmarking multimodal LLMs with generative comprehension" (2023)',
  data: { kind: 'repository', repository: 'lmms-lab/SEED-Bench', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}', '{choices}', LETTER_ANSWER],
  choices: { fields: ['choice_a', 'choice_b', 'choice_c', 'choice_d'] },
  answer: { choice: 'answer', as: 'letter' },
  metric: 'multiple-choice',
  category: 'data_type',
  maxTokens: 16,
};
