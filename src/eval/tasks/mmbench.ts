import { LETTER_ANSWER, type Task } from './task.js';

/** Twenty abilities, by letter (each question asked once: no circular evaluation). Liu et al., "MMBench: is your multi-modal model an all-around player?" (2024). */
export const mmbench: Task = {
  name: 'mmbench',
  about: 'twenty abilities, by letter (each question asked once: no circular evaluation)',
  source: 'Liu et al., "MMBench: is your multi-modal model an all-around player?" (2024)',
  data: { kind: 'repository', repository: 'lmms-lab/MMBench', config: 'en', split: 'dev' },
  images: { fields: ['image'] },
  prompt: ['{hint}', '{question}', '{choices}', LETTER_ANSWER],
  choices: { fields: ['A', 'B', 'C', 'D'] },
  answer: { choice: 'answer', as: 'letter' },
  metric: 'multiple-choice',
  category: 'category',
  maxTokens: 16,
};
