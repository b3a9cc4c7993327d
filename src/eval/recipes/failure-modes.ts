import type { Recipe } from './recipe.js';

/** Where pruning breaks first: reading, counting, places, fine detail. */
export const failureModes: Recipe = {
  name: 'failure-modes',
  about: 'which abilities break first as R grows: reading, counting, places, fine detail',
  source: 'an extension: the paper reports averages of benchmarks',
  tasks: [
    ...['scenes-text', 'scenes-text-small', 'scenes-count-all', 'scenes-count-class', 'scenes-position'],
    ...['scenes-relation', 'scenes-category', 'scenes-size', 'scenes-existence', 'scenes-color'],
    ...['scenes-hard-text-small', 'scenes-hard-count-class', 'scenes-hard-category'],
  ],
  grid: {
    layers: [2],
    ratios: [0.5, 0.75, 0.9, 0.95],
    strategies: ['attention'],
    seeds: [0, 1, 2],
  },
  limit: 100,
};
