import type { Task } from './task.js';

/**
 * Questions about where things are, mostly seen from a car. xAI, "RealWorldQA" (2024). The question's own text lists its choices
 * and says how to answer; some are open, with a word or a number as their answer. As lmms-eval asks them; the dataset
 * itself was not read here.
 */
export const realworldqa: Task = {
  name: 'realworldqa',
  about: 'questions about where things are, mostly seen from a car',
  source: 'xAI, "RealWorldQA" (2024)',
  data: { kind: 'repository', repository: 'lmms-lab/RealWorldQA', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}'],
  choices: { within: 'question' },
  answer: { choice: 'answer', as: 'letter' },
  metric: 'multiple-choice',
  maxTokens: 16,
};
