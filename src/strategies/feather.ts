// FEATHER (arXiv 2412.13180): attention without rotation, which does not fall off with distance, joined with every third
// token of the grid in both directions; a later stage ranks by attention as it is. The grid's tokens take half of the
// places at most, the most attended ones first. It needs queries and keys before their rotation, and the grid.
import type { GraphStrategy, StageContext } from './strategy.js';

/** Every so many rows and columns a token of the grid is kept. */
const STRIDE = 3;

export const feather = {
  where: 'graph',
  name: 'feather',
  description: 'attention without rotation, and every third token of the grid (FEATHER, arXiv 2412.13180)',
  needsLayer: true,
  needsQueries: true,
  needsSegments: true,
  score: (context) => {
    const { emit, imageTokenMask } = context;
    if (context.stage > 0) return context.lastRowAttention();
    const attention = unrotatedAttention(context);
    const { grid } = context.segments();
    if (grid === undefined) return attention;
    const on = (place: string): string =>
      emit.op('Equal', [emit.op('Mod', [place, emit.int(STRIDE)]), emit.int(0)]);
    const strided = emit.op('And', [imageTokenMask, emit.op('And', [on(grid.row), on(grid.column)])]);
    // The rank of each among the grid's tokens, by attention: how many of them come before it.
    const width = emit.dim1(attention, 1);
    const own = emit.op('Where', [strided, attention, emit.float(-1)]);
    const [, order = ''] = emit.ops('TopK', [own, width], { outputs: 2, attributes: { axis: 1n } });
    const places = emit.op('Expand', [emit.range(emit.dim(own, 1)), emit.op('Shape', [order])]);
    const rank = emit.op('ScatterElements', [order, order, places], { attributes: { axis: 1n } });
    const half = emit.op('Div', [emit.unsqueeze(context.keepCount(), 1), emit.int(2)]);
    const first = emit.op('And', [strided, emit.op('Less', [rank, half])]);
    // An attention is at most 1.
    return emit.op('Add', [attention, emit.op('Where', [first, emit.float(2), emit.float(0)])]);
  },
} as const satisfies GraphStrategy;

/** Attention of the last token's query to this call's keys, both before their rotation: float32 [batch, sequence]. */
function unrotatedAttention(context: StageContext): string {
  const { emit } = context;
  const [query, keys] = [context.unrotatedQuery(), context.unrotatedKeys()];
  const [kvHeads, size] = [emit.dim1(keys, 1), emit.dim1(keys, 3)];
  const grouped = emit.reshape(query, emit.concat([emit.ints(0), kvHeads, emit.ints(-1), size], 0));
  const products = emit.op('MatMul', [grouped, emit.transpose(keys, 0, 1, 3, 2)]); // [batch, KV heads, group, sequence]
  const scores = emit.op('Div', [products, emit.op('Sqrt', [emit.castToFloat(size)])]);
  const there = emit.unsqueeze(context.attended(), 1, 2);
  const all = emit.softmax(emit.op('Where', [there, scores, emit.float(-3.4028234663852886e38)]));
  return emit.reduce('ReduceMean', all, [1, 2], false);
}
