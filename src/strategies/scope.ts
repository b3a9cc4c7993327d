// SCOPE (saliency and coverage, arXiv 2510.24214): the token whose attention, times what it would add to the coverage of all tokens, is
// largest. A token is covered as well as its largest cosine to a picked one says, never less than 0.
//
// Limit: it holds tokens² cosines.
import { unitRows } from './features.js';
import { lazyGreedy } from './lazy-greedy.js';
import type { GraphStrategy } from './strategy.js';

export const scope = {
  where: 'graph',
  name: 'scope',
  description: 'attention times the coverage of the image that a token adds (SCOPE, arXiv 2510.24214)',
  needsLayer: true,
  score: (context) =>
    lazyGreedy(context, {
      relevance: context.lastRowAttention(),
      features: unitRows(context.emit, context.emit.castToFloat(context.residualBefore())),
      start: ({ emit, open }) => emit.op('Expand', [emit.float(0), emit.op('Shape', [open])]),
      gain: ({ emit, pool, state: covered, at }) => {
        const more = emit.op('Relu', [emit.op('Sub', [at(pool.cosines()), emit.unsqueeze(covered, 1)])]);
        return emit.op('Mul', [at(pool.relevance), emit.reduce('ReduceSum', more, [2], false)]);
      },
      next: ({ emit, pool, state: covered, at }) =>
        emit.op('Max', [covered, emit.reshape(at(pool.cosines()), emit.ints(0, -1))]),
    }),
} as const satisfies GraphStrategy;
