// V2Drop (variation-aware token dropping, arXiv 2509.01552): tokens that a layer hardly changes are lazy, so those whose
// hidden state layer K−1 moves farthest are kept: ‖h after − h before‖₂. No attention is looked at. The authors prune
// behind layers 3, 17 and 22 of 32.
import { lengths } from './features.js';
import type { GraphStrategy } from './strategy.js';

export const v2drop = {
  where: 'graph',
  name: 'v2drop',
  description: 'tokens whose hidden state layer K−1 changes most are kept (V2Drop, arXiv 2509.01552)',
  needsLayer: true,
  score: (context) => {
    const { emit } = context;
    const [after, before] = [context.residual(), context.residualBefore()];
    // In float32: a float16 difference would be rounded, and its squares overflow.
    const change = emit.op('Sub', [emit.castToFloat(after), emit.castToFloat(before)]);
    return lengths(emit, change, 2);
  },
} as const satisfies GraphStrategy;
