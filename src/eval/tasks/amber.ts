import { YES_OR_NO, type Task } from './task.js';

/**
 * Yes or no about objects, attributes and relations that may not be there. Wang et al., "AMBER" (2023): the discriminative
 * questions, asked as VLMEvalKit does. The data are a clone of github.com/junyangwang0410/AMBER with the images of its
 * page, whose folder `--images` names; columns as in the files there.
 *
 * Its generative part (CHAIR, Cover, Hal, Cog) is left out: nouns are told apart there by a tagger, WordNet and word vectors,
 * without which the numbers would be others; `coco-chair` measures the same on COCO.
 */
export const amber: Task = {
  name: 'amber',
  about: 'yes or no about objects, attributes and relations that may not be there',
  source:
    'Wang et al., "AMBER: an LLM-free multi-dimensional benchmark for MLLMs hallucination evaluation" (2023)',
  data: {
    kind: 'annotations',
    repository: 'junyangwang0410/AMBER',
    questions: 'query_discriminative.json',
    answers: 'annotations.json',
    on: 'id',
  },
  images: { fields: ['image'] },
  prompt: [`{query} ${YES_OR_NO}`],
  answer: { field: 'truth' },
  metric: 'amber',
  category: 'type',
  maxTokens: 16,
};
