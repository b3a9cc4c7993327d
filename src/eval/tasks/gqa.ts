import { SHORT_ANSWER, type Task } from './task.js';

/** Compositional questions about real scenes. Hudson and Manning, "GQA: a new dataset for real-world visual reasoning" (2019). */
export const gqa: Task = {
  name: 'gqa',
  about: 'compositional questions about real scenes',
  source: 'Hudson and Manning, "GQA: a new dataset for real-world visual reasoning" (2019)',
  data: {
    kind: 'repository',
    repository: 'lmms-lab/GQA',
    config: 'testdev_balanced_instructions',
    split: 'testdev',
    imagesFrom: {
      config: 'testdev_balanced_images',
      split: 'testdev',
      key: 'imageId',
      id: 'id',
      image: 'image',
    },
  },
  images: { fields: ['image'] },
  prompt: ['{question}', SHORT_ANSWER],
  answer: { field: 'answer' },
  metric: 'exact-match',
  maxTokens: 16,
};
