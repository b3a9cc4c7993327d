import type { Recipe } from './recipe.js';

/** The same FLOPs spent on many image tokens that are pruned, or on few that are not. */
export const resolution: Recipe = {
  name: 'resolution',
  about: 'the same FLOPs spent on a high resolution with pruning or on a lower one without',
  source: 'FastV (arXiv 2403.06764), section 5.4',
  tasks: ['scenes'],
  grid: {
    layers: [1, 2, 3],
    ratios: [0.3, 0.5, 0.64, 0.75, 0.84, 0.9375],
    strategies: ['attention'],
    seeds: [0, 1, 2],
    baselineLayers: [],
  },
  limit: 50,
};
