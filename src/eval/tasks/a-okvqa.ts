import { LETTER_ANSWER, type Task } from './task.js';

/** Questions that need knowledge of the world, by letter. Schwenk et al., "A-OKVQA: a benchmark for visual question answering using world knowledge" (2022). */
export const aOkvqa: Task = {
  name: 'a-okvqa',
  about: 'questions that need knowledge of the world, by letter',
  source: 'Schwenk et al., "A-OKVQA: a benchmark for visual question answering using world knowledge" (2022)',
  data: { kind: 'repository', repository: 'HuggingFaceM4/A-OKVQA', split: 'validation' },
  images: { fields: ['image'] },
  prompt: ['{question}', '{choices}', LETTER_ANSWER],
  choices: { list: 'choices' },
  answer: { choice: 'correct_choice_idx', as: 'index' },
  metric: 'multiple-choice',
  maxTokens: 16,
};
