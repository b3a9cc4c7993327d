// Key norm as ViTCoP has it: the length of the mean over KV heads of a token's key at layer K−1, the shorter the longer
// it is kept. `key-norm` takes the mean of the heads' lengths instead; the two differ where heads point apart.
import { lengths } from './features.js';
import type { GraphStrategy } from './strategy.js';

export const keyMeanNorm = {
  where: 'graph',
  name: 'key-mean-norm',
  description: 'tokens whose mean key over heads at layer K−1 is short are kept (ViTCoP)',
  needsLayer: true,
  score: (context) => {
    const { emit } = context;
    const mean = emit.reduce('ReduceMean', emit.castToFloat(context.keys()), [1], false); // [batch, sequence, head size]
    return emit.op('Neg', [lengths(emit, mean, 2)]);
  },
} as const satisfies GraphStrategy;
