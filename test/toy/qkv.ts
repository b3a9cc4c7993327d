// q, k and v of an attention layer before rotation, and the KV cache's names.

import { emitLinear } from './linear.js';
import { emitNorm } from './norm.js';
import type { LayerContext } from './rotary.js';
import type { AttentionWeights, Linear } from './weights.js';

export interface Projections {
  /** [batch, sequence, heads·head] */
  readonly q: string;
  /** [batch, sequence, kvHeads·head] */
  readonly k: string;
  readonly v: string;
}

export function emitProjections(context: LayerContext, x: string, weights: AttentionWeights): Projections {
  const q = emitLinear(context.b, x, weights.q);
  const k = emitLinear(context.b, x, weights.k);
  return {
    q: emitHeadNorm(context, q, weights.qNorm, 'q_norm', context.config.heads),
    k: emitHeadNorm(context, k, weights.kNorm, 'k_norm', context.config.kvHeads),
    v: emitLinear(context.b, x, weights.v),
  };
}

/** One projection to q, k and v side by side. */
export function packedLinear(weights: AttentionWeights): Linear {
  const parts = [weights.q, weights.k, weights.v];
  const inputs = weights.q.inputs;
  const outputs = parts.reduce((sum, part) => sum + part.outputs, 0);
  const values = new Float32Array(inputs * outputs);
  const bias = new Float32Array(outputs);
  let column = 0;
  for (const part of parts) {
    for (let row = 0; row < inputs; row++) {
      values.set(part.values.subarray(row * part.outputs, (row + 1) * part.outputs), row * outputs + column);
    }
    bias.set(part.bias ?? [], column);
    column += part.outputs;
  }
  const name = weights.q.name.replace('q_proj', 'qkv_proj');
  const biased = weights.q.bias !== undefined;
  return { name, inputs, outputs, values, quantised: undefined, bias: biased ? bias : undefined };
}

function emitHeadNorm(
  { b, config, layer }: LayerContext,
  x: string,
  weight: Float32Array | undefined,
  name: string,
  heads: number,
): string {
  if (weight === undefined) return x;
  // the GenAI builder's shapes: every head becomes a row of its own
  const rows = b.reshape(x, 0, -1, config.headDim);
  const normed = emitNorm(b, config, rows, `layers.${layer}.attn.${name}`, weight);
  return b.reshape(normed, 0, -1, heads * config.headDim);
}

export function cacheNames(
  layer: number,
): Readonly<Record<'pastKey' | 'pastValue' | 'key' | 'value', string>> {
  return {
    pastKey: `past_key_values.${layer}.key`,
    pastValue: `past_key_values.${layer}.value`,
    key: `present.${layer}.key`,
    value: `present.${layer}.value`,
  };
}
