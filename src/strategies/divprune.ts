// DivPrune (arXiv 2503.02175): the tokens that lie farthest apart, whatever is asked. The first is the one whose nearest
// other token is farthest; then always the one whose nearest picked token is farthest (max-min diversity). Distances are
// 1 − cosine. The authors compare what the vision encoder gives, before layer 0; here it is the keys of layer K−1.
import { greedy, type Pool, type Step } from './greedy.js';
import type { GraphStrategy, StageContext } from './strategy.js';

export const divprune = {
  where: 'graph',
  name: 'divprune',
  description: 'tokens whose keys lie farthest apart, max-min diversity (DivPrune, arXiv 2503.02175)',
  needsLayer: true,
  score: (context) => farthest(context),
} as const satisfies GraphStrategy;

/** More than any distance. */
const FAR = 4;

/**
 * Max-min diversity.
 * @param relevance float32 [batch, sequence]: what a token's distances are multiplied by; default: 1
 */
export function farthest(context: StageContext, relevance?: string): string {
  const weighted = ({ emit, pool }: Pick<Step, 'emit' | 'pool'>, distance: string): string =>
    relevance === undefined ? distance : emit.op('Mul', [distance, pool.relevance]);
  return greedy(context, {
    features: context.features(),
    ...(relevance === undefined ? {} : { relevance }),
    start: ({ emit, open }) => [emit.op('Expand', [emit.float(FAR), emit.op('Shape', [open])])],
    gain: (step) => {
      const { emit, pool, turn, state } = step;
      const [nearest = ''] = state;
      const first = emit.op('Equal', [turn, emit.int(0)]);
      return weighted(step, emit.op('Where', [first, nearestOther(pool), nearest]));
    },
    next: ({ emit, state, cosines }) => {
      const [nearest = ''] = state;
      return [emit.op('Min', [nearest, emit.op('Sub', [emit.float(1), cosines()])])];
    },
  });
}

/** The distance of each token to its nearest other one: float32 [batch, m]. */
function nearestOther(pool: Pool): string {
  const { emit, open } = pool;
  const places = emit.range(emit.dim(open, 1));
  const same = emit.op('Equal', [emit.unsqueeze(places, 0), emit.unsqueeze(places, 1)]);
  const other = emit.op('And', [emit.unsqueeze(open, 1), emit.op('Not', [same])]);
  const distances = emit.op('Sub', [emit.float(1), pool.cosines()]);
  return emit.reduce('ReduceMin', emit.op('Where', [other, distances, emit.float(FAR)]), [2], false);
}
