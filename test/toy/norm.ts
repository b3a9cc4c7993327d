// RMS norms and the residual stream: fused with the residual Add, fused alone, ONNX RMSNormalization, or in parts.

import type { GraphBuilder } from './builder.js';
import type { ToyConfig } from './config.js';

/** RMS norm over the last axis. */
export function emitNorm(
  b: GraphBuilder,
  config: ToyConfig,
  x: string,
  name: string,
  weight: Float32Array,
): string {
  const scale = b.weight(`${name}.weight`, [weight.length], weight);
  const attributes = { axis: { int: -1 }, epsilon: { float: config.epsilon } };
  switch (config.norm) {
    case 'skip':
    case 'fused':
      return b.node('SimplifiedLayerNormalization', [x, scale], { ...attributes, stash_type: { int: 1 } });
    case 'onnx':
      return b.node('RMSNormalization', [x, scale], attributes);
    case 'decomposed': {
      const wide = b.dtype === 'float32' ? x : b.cast(x, 'float32');
      const squares = b.node('Pow', [wide, b.float(2, 'float32')]);
      const keep = { keepdims: { int: 1 } };
      const mean =
        b.opset >= 18
          ? b.node('ReduceMean', [squares, b.ints(-1)], keep)
          : b.node('ReduceMean', [squares], { ...keep, axes: { ints: [-1] } });
      const root = b.node('Sqrt', [b.node('Add', [mean, b.float(config.epsilon, 'float32')])]);
      const normal = b.node('Mul', [wide, b.node('Div', [b.float(1, 'float32'), root])]);
      return b.node('Mul', [scale, b.dtype === 'float32' ? normal : b.cast(normal, b.dtype)]);
    }
  }
}

/** Adds `delta` to the residual stream and norms the sum: returns [norm, sum]. */
export function emitAddNorm(
  b: GraphBuilder,
  config: ToyConfig,
  residual: string,
  delta: string,
  name: string,
  weight: Float32Array,
): readonly [string, string] {
  if (config.norm !== 'skip') {
    const sum = b.node('Add', [residual, delta]);
    return [emitNorm(b, config, sum, name, weight), sum];
  }
  const outputs = [`/${name}/output_0`, '', '', `/${name}/output_3`] as const;
  b.node(
    'SkipSimplifiedLayerNormalization',
    [residual, delta, b.weight(`${name}.weight`, [weight.length], weight)],
    { epsilon: { float: config.epsilon } },
    { outputs, domain: 'com.microsoft' },
  );
  return [outputs[0], outputs[3]];
}
