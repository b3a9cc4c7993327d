import type { Recipe } from './recipe.js';

/** Experiment 2 of the paper: how K and R trade accuracy for FLOPs. */
export const paperKr: Recipe = {
  name: 'paper-kr',
  about: 'how K (0 to 5) and R (as in Table 1) trade accuracy for FLOPs',
  source: 'FastV (arXiv 2403.06764), Table 1 and section 5.1',
  tasks: ['scenes'],
  grid: {
    layers: [0, 1, 2, 3, 4, 5],
    ratios: [0.5, 0.75, 0.9],
    strategies: ['attention'],
    seeds: [0, 1, 2],
    baselineLayers: [2],
  },
  limit: 50,
};
