import { LETTER_ANSWER, type Task } from './task.js';

/** Copies of a question with its choices turned have its index plus a multiple of this. */
const COPIES = 1_000_000;

const COMMON = {
  source: 'Liu et al., "MMBench: is your multi-modal model an all-around player?" (2024)',
  data: { kind: 'repository', repository: 'lmms-lab/MMBench', config: 'en', split: 'dev' },
  images: { fields: ['image'] },
  prompt: ['{?hint}{hint}', '{question}', '{choices}', LETTER_ANSWER],
  choices: { fields: ['A', 'B', 'C', 'D'] },
  answer: { choice: 'answer', as: 'letter' },
  category: 'category',
  maxTokens: 16,
} as const satisfies Partial<Task>;

/** Twenty abilities, by letter: each question once, its circular copies left out ("VanillaEval"). */
export const mmbench: Task = {
  ...COMMON,
  name: 'mmbench',
  about: 'twenty abilities, by letter, each question asked once',
  where: { index: { below: COPIES } },
  metric: 'multiple-choice',
};

/** The same, right only if every copy of a question is ("CircularEval"): what MMBench's own tables print. */
export const mmbenchCircular: Task = {
  ...COMMON,
  name: 'mmbench-circular',
  about: 'twenty abilities, by letter, right only if all copies with turned choices are',
  group: { field: 'index', modulo: COPIES },
  metric: 'circular',
};
