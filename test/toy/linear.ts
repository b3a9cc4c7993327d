// y = x·W + bias in each form that exports store weights in.

import { bytesOf, type GraphBuilder } from './builder.js';
import { int4BlockSize } from './quantise.js';
import type { Linear } from './weights.js';

/** Emits the projection; `output` names its result where the graph's contract does. */
export function emitLinear(b: GraphBuilder, x: string, linear: Linear, output?: string): string {
  const options = output === undefined || linear.bias !== undefined ? {} : { outputs: [output] };
  const product = emitProduct(b, x, linear, options);
  if (linear.bias === undefined) return product;
  const bias = b.weight(`${linear.name}.bias`, [linear.outputs], linear.bias);
  return b.node('Add', [product, bias], {}, output === undefined ? {} : { outputs: [output] });
}

function emitProduct(b: GraphBuilder, x: string, linear: Linear, options: { outputs?: string[] }): string {
  const { name, inputs, outputs, quantised } = linear;
  if (quantised === undefined) {
    return b.node('MatMul', [x, b.weight(`${name}.weight`, [inputs, outputs], linear.values)], {}, options);
  }
  switch (quantised.kind) {
    case 'int4': {
      const blocks = Math.ceil(inputs / int4BlockSize);
      const packed = b.tensor(
        `${name}.qweight`,
        'uint8',
        [outputs, blocks, int4BlockSize / 2],
        quantised.packed,
      );
      const scales = b.weight(`${name}.scales`, [outputs * blocks], quantised.scales);
      return b.node(
        'MatMulNBits',
        [x, packed, scales],
        { K: { int: inputs }, N: { int: outputs }, bits: { int: 4 }, block_size: { int: int4BlockSize } },
        { ...options, domain: 'com.microsoft' },
      );
    }
    case 'qdq': {
      const values = b.tensor(`${name}.quantized`, 'int8', [inputs, outputs], bytesOf(quantised.values));
      const scales = b.weight(`${name}.scale`, [outputs], quantised.scales);
      const weight = b.node('DequantizeLinear', [values, scales], { axis: { int: 1 } });
      return b.node('MatMul', [x, weight], {}, options);
    }
    case 'dynamic-uint8':
    case 'dynamic-int8': {
      const unsigned = quantised.kind === 'dynamic-uint8';
      const type = unsigned ? 'uint8' : 'int8';
      const weight = b.tensor(`${name}.quantized`, type, [inputs, outputs], bytesOf(quantised.values));
      const zero = b.tensor(`${name}.zero_point`, type, [], Uint8Array.of(unsigned ? 128 : 0));
      const scale = b.weight(`${name}.scale`, [], [quantised.scale]);
      const [xq = '', xScale = '', xZero = ''] = b.split('DynamicQuantizeLinear', [x], {}, 3);
      const product = b.cast(b.node('MatMulInteger', [xq, weight, xZero, zero]), b.dtype);
      return b.node('Mul', [product, b.node('Mul', [xScale, scale])], {}, options);
    }
  }
}
