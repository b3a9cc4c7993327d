import { SHORT_ANSWER, type Task } from './task.js';

/**
 * Questions about scanned documents, and about infographics. Mathew et al., "DocVQA" (2021) and "InfographicVQA" (2022).
 * The validation splits (the test splits' answers are not published), as lmms-eval asks them; both are subsets of
 * lmms-lab/DocVQA. The dataset itself was not read here.
 */
const COMMON = {
  images: { fields: ['image'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'answers', all: true },
  metric: 'anls',
  maxTokens: 32,
} as const satisfies Partial<Task>;

export const docvqa: Task = {
  ...COMMON,
  name: 'docvqa',
  about: 'questions about scanned documents',
  source: 'Mathew et al., "DocVQA: a dataset for VQA on document images" (2021)',
  data: { kind: 'repository', repository: 'lmms-lab/DocVQA', config: 'DocVQA', split: 'validation' },
};

export const infovqa: Task = {
  ...COMMON,
  name: 'infovqa',
  about: 'questions about infographics',
  source: 'Mathew et al., "InfographicVQA" (2022)',
  data: { kind: 'repository', repository: 'lmms-lab/DocVQA', config: 'InfographicVQA', split: 'validation' },
};
