// FastV: image tokens are worth the attention that the last token pays them (arXiv 2403.06764, section 4; the authors'
// code ranks by the last token's row, averaged over heads).
import type { GraphStrategy } from './strategy.js';

export const attention = {
  where: 'graph',
  name: 'attention',
  description: 'attention that the last token pays at layer K−1, mean over heads (FastV)',
  needsLayer: true,
  needsScores: false,
  score: (context) => context.lastRowAttention(),
} as const satisfies GraphStrategy;
