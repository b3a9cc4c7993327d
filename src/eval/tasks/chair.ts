import type { Task } from './task.js';

/**
 * Captions in detail, and which of the objects that they mention are not there. Rohrbach et al., "Object hallucination in image
 * captioning" (2018). Images, the objects on them (COCO's instances and what its captions mention) and the prompt as lmms-eval's
 * `coco_cap_chair` has them; a caption ends at 512 tokens, as most papers on hallucination have it, and not at 2,048. The dataset itself
 * was not read here.
 */
export const cocoChair: Task = {
  name: 'coco-chair',
  about: 'captions in detail: objects that are mentioned and not there',
  source: 'Rohrbach et al., "Object hallucination in image captioning" (2018)',
  data: { kind: 'repository', repository: 'tsunghanwu/mscoco_chair', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['Please describe this image in detail.'],
  answer: { field: 'gt_object', all: true },
  metric: 'chair',
  maxTokens: 512,
};
