import { PRESETS } from '../../strategies/index.js';
import type { Recipe } from './recipe.js';

/**
 * The decoder's FLOPs spent on a high resolution that is pruned, on a low one that is not, and on features averaged down. The
 * model must see images at several sizes; for real pictures, `--image-sizes` says which. `--same-flops decoder,total` counts the
 * vision encoder too, where so much can be saved in the decoder at all.
 */
export const resolution: Recipe = {
  name: 'resolution',
  about:
    'the same FLOPs spent on a high resolution with pruning, on a low one without, or on averaged features',
  source: 'FastV (arXiv 2403.06764), section 5.4',
  tasks: ['scenes'],
  grid: {
    layers: [2],
    ratios: [],
    strategies: ['attention', PRESETS.sizes],
    seeds: [0, 1, 2],
    baselineLayers: [],
    imageSizes: [96, 120, 144],
    sameFlops: ['decoder'],
  },
  limit: 100,
};
