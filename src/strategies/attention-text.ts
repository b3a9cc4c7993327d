// Attention of the question as a whole: the rows of all text behind the image instead of the last token's alone, and of
// the heads that look at the image most (SparseVLM, arXiv 2410.04417, ranks by text rows; its successor and SIEVE keep 12
// to 14 of 32 heads). The authors prune behind layers 2, 6 and 15 of 32: the preset `sparsevlm`.
import type { GraphStrategy } from './strategy.js';

/** The share of the heads that counts: 13 of 32. */
const HEADS = 0.4;

export const attentionText = {
  where: 'graph',
  name: 'attention-text',
  description: 'attention of the text behind the image, of the heads that look at it most (SparseVLM)',
  needsLayer: true,
  needsQueries: true,
  score: (context) => context.emit.reduce('ReduceMean', context.attentionRows('text', HEADS), [1], false),
} as const satisfies GraphStrategy;
