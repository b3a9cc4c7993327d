// What the parts of vision-language models are made of: norms, activations, attention over patches.
import { MICROSOFT } from '../../onnx/emit.js';
import type { Linear, PartGraph } from '../part.js';
import type { Source } from '../source.js';
import type { Scope } from '../weights.js';

/** The activations that configurations name (transformers, activations.py), as operators. */
export const ACTIVATIONS: ReadonlyMap<string, (g: PartGraph, x: string) => string> = new Map([
  ['gelu', erfGelu],
  ['gelu_pytorch_tanh', tanhGelu],
  ['gelu_new', tanhGelu],
  ['gelu_fast', tanhGelu],
  ['quick_gelu', (g: PartGraph, x: string) => sigmoidGate(g, x, 1.702)],
  ['silu', (g: PartGraph, x: string) => sigmoidGate(g, x, 1)],
  ['swish', (g: PartGraph, x: string) => sigmoidGate(g, x, 1)],
  ['relu', (g: PartGraph, x: string) => g.emit.op('Relu', [x])],
]);

export type Activation = (g: PartGraph, x: string) => string;

/** GELU by the error function. */
export function erfGelu(g: PartGraph, x: string): string {
  return g.emit.op('Gelu', [x], { domain: MICROSOFT });
}

function tanhGelu(g: PartGraph, x: string): string {
  return g.emit.op('FastGelu', [x], { domain: MICROSOFT });
}

/** x · sigmoid(αx) */
function sigmoidGate(g: PartGraph, x: string, alpha: number): string {
  const inner = alpha === 1 ? x : g.emit.op('Mul', [x, g.scalar(alpha)]);
  return g.emit.op('Mul', [x, g.emit.op('Sigmoid', [inner])]);
}

/** Mean 0 and deviation 1 over the last axis, times a weight, plus a bias. */
export function layerNorm(g: PartGraph, x: string, { weight, bias }: Linear, epsilon: number): string {
  const inputs = [x, g.weight(weight), ...(bias === undefined ? [] : [g.weight(bias)])];
  return g.emit.op('LayerNormalization', inputs, { attributes: { axis: -1n, epsilon } });
}

/** x · rsqrt(mean(x²) + ε) · w over the last axis. */
export function rmsNorm(g: PartGraph, x: string, weight: Source, epsilon: number): string {
  return g.emit.op('SimplifiedLayerNormalization', [x, g.weight(weight)], {
    attributes: { axis: -1n, epsilon, stash_type: 1n },
  });
}

/** The same of a sum: [norm, sum]. */
export function addRmsNorm(
  g: PartGraph,
  x: string,
  added: string,
  weight: Source,
  epsilon: number,
): readonly [norm: string, sum: string] {
  const [norm = '', , , sum = ''] = g.emit.ops(
    'SkipSimplifiedLayerNormalization',
    [x, added, g.weight(weight)],
    {
      domain: MICROSOFT,
      attributes: { epsilon },
      outputs: 4,
    },
  );
  const node = g.emit.nodes.at(-1);
  if (node !== undefined) node.output = [norm, '', '', sum]; // the other two are of training
  return [norm, sum];
}

/** A linear layer, or a norm, by its name: `<name>.weight` and, if it has one, `<name>.bias`. */
export function linearOf(
  scope: Scope,
  name: string,
  [outputs, ...inputs]: readonly [number, ...number[]],
  bias = true,
): Linear {
  const weight = scope.get(`${name}.weight`, outputs, ...inputs);
  return bias ? { weight, bias: scope.get(`${name}.bias`, outputs) } : { weight };
}

/**
 * Attention in which everybody sees everybody, or whom a bias lets: q, k, v [batch, sequence, heads · head size].
 * @param bias 0 or a large negative number, [1 or batch, 1, queries, keys]
 */
export function towerAttention(
  g: PartGraph,
  [q, k, v]: readonly [string, string, string],
  heads: number,
  { bias = '', scale }: { readonly bias?: string; readonly scale?: number } = {},
): string {
  const inputs = bias === '' ? [q, k, v] : [q, k, v, '', '', bias];
  return g.emit.op('MultiHeadAttention', inputs, {
    domain: MICROSOFT,
    attributes: { num_heads: BigInt(heads), ...(scale === undefined ? {} : { scale }) },
  });
}

/** A number that loses every softmax, and stays finite in float16. */
export const HIDDEN = -3e4;
