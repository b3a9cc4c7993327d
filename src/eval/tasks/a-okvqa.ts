import type { Task } from './task.js';

/** Questions that need knowledge of the world, by letter. Schwenk et al., "A-OKVQA: a benchmark for visual question answering using world knowledge" (2022). */
export const aOkvqa: Task = {
  name: 'a-okvqa',
  about: 'questions that need knowledge of the world, by letter',
  source: 'Schwenk et al., "A-OKVQA: a benchmark for visual question answering using world knowledge" (2022)',
  data: { kind: 'repository', repository: 'HuggingFaceM4/A-OKVQA', split: 'validation' },
  images: { fields: ['image'] },
  // as the authors of FastV ask it (github.com/pkunlp-icler/FastV, inference_aokvqa.py)
  prompt: [
    'Analyse the image and choose the best answer for the following question:',
    '{question}',
    'Options: {inline-choices}',
    'Just output the letter of the correct answer.',
  ],
  choices: { list: 'choices' },
  answer: { choice: 'correct_choice_idx', as: 'index' },
  metric: 'multiple-choice',
  maxTokens: 16,
};
