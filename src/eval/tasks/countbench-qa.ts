import type { Task } from './task.js';

/**
 * How many things are there, two to ten. Paiss et al., "Teaching CLIP to count to ten" (2023), with the questions of Beyer et
 * al., "PaliGemma" (2024). Asked and scored as lmms-eval's `countbench` (columns image, question, number); its `countbenchqa`
 * shows the caption, which names the number. The dataset itself was not read here.
 */
export const countbenchQa: Task = {
  name: 'countbench-qa',
  about: 'how many things are there',
  source: 'Paiss et al., "Teaching CLIP to count to ten" (2023); Beyer et al., "PaliGemma" (2024)',
  data: { kind: 'repository', repository: 'vikhyatk/CountBenchQA', split: 'test' },
  images: { fields: ['image'] },
  prompt: [
    'Look at the image carefully and count the objects. Answer with just a number, without any additional text. {question}',
  ],
  answer: { field: 'number' },
  metric: 'count',
  maxTokens: 16,
};
