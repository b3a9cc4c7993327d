import type { Task } from './task.js';

/**
 * Questions that cannot be answered without the image. Chen et al., "Are we on the right way for evaluating large
 * vision-language models?" (2024). Asked as lmms-eval does; the question's text lists its choices. Here the score is the
 * mean over questions, as in the paper, and lmms-eval's a mean over its eighteen `l2_category`s. The dataset itself
 * was not read here.
 */
export const mmstar: Task = {
  name: 'mmstar',
  about: 'questions that cannot be answered without the image',
  source: 'Chen et al., "Are we on the right way for evaluating large vision-language models?" (2024)',
  data: { kind: 'repository', repository: 'Lin-Chen/MMStar', split: 'val' },
  images: { fields: ['image'] },
  prompt: ['{question}', "Answer with the option's letter from the given choices directly"],
  choices: { within: 'question' },
  answer: { choice: 'answer', as: 'letter' },
  metric: 'multiple-choice',
  category: 'category',
  maxTokens: 16,
};
