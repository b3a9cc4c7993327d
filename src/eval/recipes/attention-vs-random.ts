import type { Recipe } from './recipe.js';

/** Is ranking by attention better than keeping any tokens? */
export const attentionVsRandom: Recipe = {
  name: 'attention-vs-random',
  about: 'whether ranking by attention beats random and evenly spread tokens, and where it stops to',
  source: 'FastV (arXiv 2403.06764), section 5.3',
  tasks: ['scenes'],
  grid: {
    layers: [2],
    ratios: [0.25, 0.5, 0.75, 0.9, 0.95],
    strategies: ['attention'],
    seeds: [0, 1, 2, 3, 4],
    downsample: false,
  },
  limit: 100,
};
