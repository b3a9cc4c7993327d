import { LETTER_ANSWER, SHORT_ANSWER, type Task } from './task.js';

/**
 * College examinations in thirty subjects, which the ids name (`validation_Accounting_1`). Images stand where the text
 * names them (`<image 1>`), as lmms-eval shows them to chat models; those that it does not name are not shown. Yue et al., "MMMU: a massive multi-discipline multimodal understanding and reasoning benchmark" (2024).
 */
export const mmmu: Task = {
  name: 'mmmu',
  about: 'college examinations in thirty subjects',
  source:
    'Yue et al., "MMMU: a massive multi-discipline multimodal understanding and reasoning benchmark" (2024)',
  data: { kind: 'repository', repository: 'lmms-lab/MMMU', split: 'validation' },
  images: { fields: ['image_1', 'image_2', 'image_3', 'image_4', 'image_5', 'image_6', 'image_7'] },
  prompt: [
    '{question}',
    '{?choices}{choices}',
    '',
    `{?choices}${LETTER_ANSWER}`,
    `{!choices}${SHORT_ANSWER}`,
  ],
  choices: { list: 'options' },
  answer: { choice: 'answer', as: 'letter' },
  interleaved: true,
  metric: 'mmmu',
  category: { field: 'id', within: '_' },
  maxTokens: 128,
};
