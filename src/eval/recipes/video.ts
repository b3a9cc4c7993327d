import type { Recipe } from './recipe.js';

/** Many frames are many tokens that say nearly the same: is more of them to spare? */
export const video: Recipe = {
  name: 'video',
  about: 'how much of a video can be pruned, against a single image',
  source: 'FastV (arXiv 2403.06764), section 4.3 (video)',
  tasks: ['scenes-video', 'scenes-multi-image', 'scenes-existence'],
  grid: {
    layers: [2, 5],
    ratios: [0.5, 0.75, 0.9],
    strategies: ['attention'],
    seeds: [0, 1, 2],
    baselineLayers: [2],
    downsample: false,
  },
  limit: 100,
};
