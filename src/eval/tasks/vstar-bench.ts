import type { Task } from './task.js';

/**
 * Small things in large images. Wu and Xie, "V*: guided visual search as a core mechanism in multimodal LLMs" (2024). The text
 * lists its choices, and ends with how to answer; lmms-eval writes them anew, one a line. Columns as lmms-eval reads them
 * (text, category, label); the dataset itself was not read here.
 */
export const vstarBench: Task = {
  name: 'vstar-bench',
  about: 'small things in large images',
  source: 'Wu and Xie, "V*: guided visual search as a core mechanism in multimodal LLMs" (2024)',
  data: { kind: 'repository', repository: 'lmms-lab/vstar-bench', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{text}'],
  choices: { within: 'text' },
  answer: { choice: 'label', as: 'letter' },
  metric: 'multiple-choice',
  category: 'category',
  maxTokens: 16,
};
