// A determinantal point process (CDPruner, arXiv 2506.10967): the set whose kernel L_ij = r_i · cos_ij · r_j has the
// largest determinant, greedily, where r is attention scaled to 0 … 1. The determinant is the squared volume that the
// vectors r_i · f_i span, so that the next pick is the one that sticks out most of what is picked (Gram–Schmidt): the
// same picks as by an incremental Cholesky factor of L, without a state that grows.
//
// Once the picks span the features' whole space, nothing sticks out any more; a trace of r² in the gain then leaves the
// order to attention. The authors' relevance is CLIP's, negated; attention is taken as it is.
import { greedy, scaledRelevance, type Pool } from './greedy.js';
import type { GraphStrategy } from './strategy.js';

/** What is added to each r, as the authors do, so that none is 0. */
const LEAST = 1e-6;
/** The share of r² that counts beside the volume. */
const TRACE = 1e-6;

export const dpp = {
  where: 'graph',
  name: 'dpp',
  description: 'the set that spans the largest volume, weighted by attention (DPP, arXiv 2506.10967)',
  needsLayer: true,
  score: (context) =>
    greedy(context, {
      relevance: context.lastRowAttention(),
      features: context.features(),
      start: (pool) => [pool.emit.op('Mul', [pool.features, pool.emit.unsqueeze(weights(pool), 2)])],
      gain: ({ emit, pool, state: [vectors = ''] }) => {
        const r = weights(pool);
        const trace = emit.op('Mul', [emit.op('Mul', [r, r]), emit.float(TRACE)]);
        return emit.op('Add', [
          emit.reduce('ReduceSum', emit.op('Mul', [vectors, vectors]), [2], false),
          trace,
        ]);
      },
      next: ({ emit, state: [vectors = ''], row }) => {
        const picked = row(vectors); // [batch, 1, size]
        const square = emit.reduce('ReduceSum', emit.op('Mul', [picked, picked]), [2], true);
        const direction = emit.op('Div', [
          picked,
          emit.op('Sqrt', [emit.op('Max', [square, emit.float(1e-30)])]),
        ]);
        const along = emit.op('MatMul', [vectors, emit.transpose(direction, 0, 2, 1)]); // [batch, m, 1]
        return [emit.op('Sub', [vectors, emit.op('Mul', [along, direction])])];
      },
    }),
} as const satisfies GraphStrategy;

/** r: float32 [batch, m]. */
function weights(pool: Pool): string {
  return pool.emit.op('Add', [scaledRelevance(pool), pool.emit.float(LEAST)]);
}
