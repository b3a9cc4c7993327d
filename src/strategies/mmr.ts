// Maximal marginal relevance (Carbonell and Goldstein, 1998; for image tokens IDPruner, arXiv 2602.13315): attention,
// scaled to 0 … 1, against the largest cosine to what is picked, half and half.
import { greedy, scaledRelevance } from './greedy.js';
import type { GraphStrategy } from './strategy.js';

/** λ: how much attention counts; the rest goes to being unlike what is picked. */
const LAMBDA = 0.5;

export const mmr = {
  where: 'graph',
  name: 'mmr',
  description: 'attention less likeness to what is picked: maximal marginal relevance, λ = 0.5',
  needsLayer: true,
  score: (context) =>
    greedy(context, {
      relevance: context.lastRowAttention(),
      features: context.features(),
      // The lowest cosine, the same for all, so that the first pick goes by attention alone.
      start: ({ emit, open }) => [emit.op('Expand', [emit.float(-1), emit.op('Shape', [open])])],
      gain: ({ emit, pool, state: [likeness = ''] }) =>
        emit.op('Sub', [
          emit.op('Mul', [scaledRelevance(pool), emit.float(LAMBDA)]),
          emit.op('Mul', [likeness, emit.float(1 - LAMBDA)]),
        ]),
      next: ({ emit, state: [likeness = ''], cosines }) => [emit.op('Max', [likeness, cosines()])],
    }),
} as const satisfies GraphStrategy;
