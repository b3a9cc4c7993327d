// SCOPE (saliency and coverage, arXiv 2510.24214): the token whose attention, times what it would add to the coverage of all tokens, is
// largest. A token is covered as well as its largest cosine to a picked one says, never less than 0.
//
// Limit: it holds tokens² cosines and looks at all of them at every pick.
import { greedy } from './greedy.js';
import { unitRows } from './features.js';
import type { GraphStrategy } from './strategy.js';

export const scope = {
  where: 'graph',
  name: 'scope',
  description: 'attention times the coverage of the image that a token adds (SCOPE, arXiv 2510.24214)',
  needsLayer: true,
  score: (context) =>
    greedy(context, {
      relevance: context.lastRowAttention(),
      features: unitRows(context.emit, context.emit.castToFloat(context.residualBefore())),
      start: ({ emit, open }) => [emit.op('Expand', [emit.float(0), emit.op('Shape', [open])])],
      gain: ({ emit, pool, state: [covered = ''] }) => {
        const more = emit.op('Relu', [emit.op('Sub', [pool.cosines(), emit.unsqueeze(covered, 1)])]);
        return emit.op('Mul', [pool.relevance, emit.reduce('ReduceSum', more, [2], false)]);
      },
      next: ({ emit, pool, state: [covered = ''], row }) => {
        const cosines = emit.reshape(row(pool.cosines()), emit.ints(0, -1));
        return [emit.op('Max', [covered, cosines])];
      },
    }),
} as const satisfies GraphStrategy;
