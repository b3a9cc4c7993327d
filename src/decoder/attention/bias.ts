// A bias on keys, for operators: added to the mask that they take, [batch, 1 or heads, queries, total].
import type { Emitter } from '../../onnx/index.js';
import type { BiasContext } from './core.js';

/** The bias for every query, in the element type of the scores: [batch, 1, queries, total]. */
export function biasMask({ emit, core, bias, queries }: BiasContext): string {
  const row = emit.unsqueeze(emit.cast(bias, core.elementType), 1, 2);
  const shape = emit.concat([emit.dim1(bias, 0), emit.ints(1), queries, emit.dim1(bias, 1)], 0);
  return emit.op('Expand', [row, shape]);
}

/** A float mask with the bias added, or the bias alone where there is none. */
export function withBias(context: BiasContext, mask: string): string {
  return mask === '' ? biasMask(context) : context.emit.op('Add', [mask, biasRow(context.emit, context)]);
}

/** The bias as it is broadcast over heads and queries: [batch, 1, 1, total]. */
export function biasRow(emit: Emitter, { core, bias }: BiasContext): string {
  return emit.unsqueeze(emit.cast(bias, core.elementType), 1, 2);
}
