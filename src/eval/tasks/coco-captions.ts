import { CAPTION, type Task } from './task.js';

/** Captions of everyday scenes. Chen et al., "Microsoft COCO captions: data collection and evaluation server" (2015). */
export const cocoCaptions: Task = {
  name: 'coco-captions',
  about: 'captions of everyday scenes',
  source: 'Chen et al., "Microsoft COCO captions: data collection and evaluation server" (2015)',
  data: { kind: 'repository', repository: 'lmms-lab/COCO-Caption2017', split: 'val' },
  images: { fields: ['image'] },
  prompt: [CAPTION],
  answer: { field: 'answer', all: true },
  metric: 'caption',
  maxTokens: 64,
};
