import type { Task } from './task.js';

const COMMON = {
  source: 'Schwenk et al., "A-OKVQA: a benchmark for visual question answering using world knowledge" (2022)',
  data: { kind: 'repository', repository: 'HuggingFaceM4/A-OKVQA', split: 'validation' },
  images: { fields: ['image'] },
  choices: { list: 'choices' },
  answer: { choice: 'correct_choice_idx', as: 'index' },
} as const satisfies Partial<Task>;

const PROMPT = [
  'Analyse the image and choose the best answer for the following question:',
  '{question}',
  'Options: {inline-choices}',
  'Just output the letter of the correct answer.',
];

/** Questions that need knowledge of the world, by letter: the prompt of FastV's authors, the reply read as everywhere here. */
export const aOkvqa: Task = {
  ...COMMON,
  name: 'a-okvqa',
  about: 'questions that need knowledge of the world, by letter',
  prompt: PROMPT,
  metric: 'multiple-choice',
  maxTokens: 16,
};

/**
 * The same in all that the authors of FastV do (github.com/pkunlp-icler/FastV, inference_aokvqa.py): a line break first,
 * one token, right if it holds the letter.
 */
export const aOkvqaFastv: Task = {
  ...COMMON,
  name: 'a-okvqa-fastv',
  about: "questions that need knowledge of the world, asked and scored as FastV's authors do",
  prompt: ['', ...PROMPT],
  metric: 'letter-within',
  maxTokens: 1,
};
