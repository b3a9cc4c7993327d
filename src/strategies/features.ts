// What tokens are compared by.
import type { Emitter } from '../onnx/index.js';

/** Rows of length 1, so that their products are cosines; a row of zeros stays one. float32 [batch, sequence, size]. */
export function unitRows(emit: Emitter, x: string): string {
  // Divided by the largest number first: squares of a residual stream may overflow.
  const size = emit.reduce('ReduceMax', emit.op('Abs', [x]), [2], true);
  const small = emit.op('Div', [x, emit.op('Max', [size, emit.float(1e-30)])]);
  const squares = emit.reduce('ReduceSum', emit.op('Mul', [small, small]), [2], true);
  return emit.op('Div', [small, emit.op('Max', [emit.op('Sqrt', [squares]), emit.float(1e-30)])]);
}
