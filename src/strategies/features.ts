// What tokens are compared by.
import type { Emitter } from '../onnx/index.js';

/** Rows of length 1, so that their products are cosines; a row of zeros stays one. float32 [batch, sequence, size]. */
export function unitRows(emit: Emitter, x: string): string {
  // Divided by the largest number first: squares of a residual stream may overflow.
  const size = emit.reduce('ReduceMax', emit.op('Abs', [x]), [2], true);
  const small = emit.op('Div', [x, emit.op('Max', [size, emit.float(1e-30)])]);
  return emit.op('Div', [small, emit.op('Max', [lengths(emit, small, 2, true), emit.float(1e-30)])]);
}

/** The lengths (L2 norms) of the vectors along an axis. */
export function lengths(emit: Emitter, x: string, axis: number, keepdims = false): string {
  return emit.op('Sqrt', [emit.reduce('ReduceSum', emit.op('Mul', [x, x]), [axis], keepdims)]);
}
