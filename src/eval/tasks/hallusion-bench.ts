import { YES_OR_NO, type Task } from './task.js';

/**
 * Yes or no about figures that mislead: illusions, edited charts. Guan et al., "HallusionBench" (2024). The questions with
 * an image (split `image`), asked and read as VLMEvalKit does, for the paper has GPT-4 judge free answers. Columns as in
 * the authors' HallusionBench.json and in lmms-eval; the hub's copy was not read here.
 */
export const hallusionBench: Task = {
  name: 'hallusion-bench',
  about: 'yes or no about figures that mislead',
  source:
    'Guan et al., "HallusionBench: an advanced diagnostic suite for entangled language hallucination" (2024)',
  data: { kind: 'repository', repository: 'lmms-lab/HallusionBench', split: 'image' },
  images: { fields: ['image'] },
  prompt: [`{question} ${YES_OR_NO}`],
  answer: { field: 'gt_answer' },
  metric: 'hallusion',
  category: 'subcategory',
  group: ['category', 'subcategory', 'set_id', 'figure_id', 'question_id'],
  maxTokens: 16,
};
