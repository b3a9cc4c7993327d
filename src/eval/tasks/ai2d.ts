import { LETTER_ANSWER, type Task } from './task.js';

/** Questions about diagrams in school books. Kembhavi et al., "A diagram is worth a dozen images" (2016). */
export const ai2d: Task = {
  name: 'ai2d',
  about: 'questions about diagrams in school books',
  source: 'Kembhavi et al., "A diagram is worth a dozen images" (2016)',
  data: { kind: 'repository', repository: 'lmms-lab/ai2d', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}', '{choices}', LETTER_ANSWER],
  choices: { list: 'options' },
  answer: { choice: 'answer', as: 'index' },
  metric: 'multiple-choice',
  maxTokens: 16,
};
