import { CAPTION, type Task } from './task.js';

/**
 * Captions of images with objects that COCO does not have. Agrawal et al., "nocaps: novel object captioning at scale" (2019).
 * The published files have no column for the domain (in, near, out), so there are no scores by domain.
 */
export const nocaps: Task = {
  name: 'nocaps',
  about: 'captions of images with objects that COCO does not have',
  source: 'Agrawal et al., "nocaps: novel object captioning at scale" (2019)',
  data: { kind: 'repository', repository: 'lmms-lab/NoCaps', split: 'validation' },
  images: { fields: ['image'] },
  prompt: [CAPTION],
  answer: { field: 'annotations_captions', all: true },
  metric: 'caption',
  maxTokens: 64,
};
