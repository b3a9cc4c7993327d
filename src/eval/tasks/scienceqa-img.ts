import { LETTER_ANSWER, type Task } from './task.js';

/**
 * School science questions with an image, asked as LLaVA's evaluation does (llava_test_CQM-A.json, --single-pred-prompt;
 * github.com/haotian-liu/LLaVA, scripts/convert_sqa_to_llava_base_prompt.py); lmms-eval's form has no such headings.
 */
export const scienceqaImg: Task = {
  name: 'scienceqa-img',
  about: 'school science questions with an image',
  source:
    'Lu et al., "Learn to explain: multimodal reasoning via thought chains for science question answering" (2022)',
  data: { kind: 'repository', repository: 'lmms-lab/ScienceQA', config: 'ScienceQA-IMG', split: 'test' },
  images: { fields: ['image'] },
  prompt: [
    '{?hint}Context: {hint}',
    '{!hint}Context: N/A',
    'Question: {question}',
    'Options: {inline-choices}',
    LETTER_ANSWER,
  ],
  choices: { list: 'choices' },
  answer: { choice: 'answer', as: 'index' },
  metric: 'multiple-choice',
  category: 'subject',
  maxTokens: 16,
};
