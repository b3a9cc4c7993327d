import { CAPTION, type Task } from './task.js';

/** Captions of everyday photographs. Young et al., "From image descriptions to visual denotations" (2014). */
export const flickr30k: Task = {
  name: 'flickr30k',
  about: 'captions of everyday photographs',
  source: 'Young et al., "From image descriptions to visual denotations" (2014)',
  data: { kind: 'repository', repository: 'lmms-lab/flickr30k', split: 'test' },
  images: { fields: ['image'] },
  prompt: [CAPTION],
  answer: { field: 'caption', all: true },
  metric: 'caption',
  maxTokens: 64,
};
