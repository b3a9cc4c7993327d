import type { Task } from './task.js';

/** Which action to take: driving, at home, in a game. Asked by the dataset's own prompt, as its authors ask for. Chen et al., "PCA-Bench: evaluating multimodal large language models in perception-cognition-action chain" (2024). */
export const pcaBench: Task = {
  name: 'pca-bench',
  about: 'which action to take: driving, at home, in a game',
  source:
    'Chen et al., "PCA-Bench: evaluating multimodal large language models in perception-cognition-action chain" (2024)',
  data: {
    kind: 'repository',
    repository: 'PCA-Bench/PCA-Bench-V1',
    config: ['Autonomous Driving', 'Domestic Robot', 'Open-World Game'],
    split: 'test_open',
  },
  images: { fields: ['image'] },
  prompt: ['{question_prompt}'],
  choices: { list: 'actions' },
  answer: { choice: 'answer_index', as: 'index' },
  metric: 'multiple-choice',
  category: 'domain',
  maxTokens: 16,
};
