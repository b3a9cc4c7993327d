import type { Task } from './task.js';

/**
 * Questions about charts, by people and by machine. Masry et al., "ChartQA: a benchmark for question answering about charts
 * with visual and logical reasoning" (2022). Asked and scored as lmms-eval does; `type` is human_test or augmented_test, whose
 * scores its tables print apart. The dataset itself was not read here.
 */
export const chartqa: Task = {
  name: 'chartqa',
  about: 'questions about charts',
  source: 'Masry et al., "ChartQA" (2022)',
  data: { kind: 'repository', repository: 'lmms-lab/ChartQA', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}', 'Answer the question with a single word.'],
  answer: { field: 'answer' },
  metric: 'relaxed-accuracy',
  category: 'type',
  maxTokens: 16,
};
