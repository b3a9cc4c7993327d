// Key norm: tokens whose keys are short attract much attention later (Devoto et al., arXiv 2406.11430), so the lower
// the norm of a token's key at layer K−1, the longer it is kept. Needs no query and no mask.
import { lengths } from './features.js';
import type { GraphStrategy } from './strategy.js';

export const keyNorm = {
  where: 'graph',
  name: 'key-norm',
  description: 'tokens with short keys at layer K−1 are kept (arXiv 2406.11430)',
  needsLayer: true,
  needsScores: false,
  score: (context) => {
    const { emit } = context;
    const keys = emit.castToFloat(context.keys());
    const norms = lengths(emit, keys, 3); // [batch, KV heads, sequence]
    return emit.op('Neg', [emit.reduce('ReduceMean', norms, [1], false)]);
  },
} as const satisfies GraphStrategy;
