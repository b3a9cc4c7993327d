// A bias on keys, for operators: added to the mask that they take, [batch, 1 or heads, queries, total].
import type { BiasContext } from './core.js';

/** The bias as it is broadcast over heads and queries, in the element type of the scores: [batch, 1, 1, total]. */
export function biasRow({ emit, core, bias }: BiasContext): string {
  return emit.unsqueeze(emit.cast(bias, core.elementType), 1, 2);
}

/** A float mask with the bias added, or, where there is none, the bias for every query: [batch, 1, queries, total]. */
export function withBias(context: BiasContext, mask: string): string {
  const { emit, bias, queries } = context;
  const row = biasRow(context);
  if (mask !== '') return emit.op('Add', [mask, row]);
  const shape = emit.concat([emit.dim1(bias, 0), emit.ints(1), queries, emit.dim1(bias, 1)], 0);
  return emit.op('Expand', [row, shape]);
}
