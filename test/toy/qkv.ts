// q, k and v of an attention layer before rotation, and the KV cache's names.

import { ioType } from './config.js';
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

export type CacheNames = Readonly<Record<'pastKey' | 'pastValue' | 'key' | 'value', string>>;

/** Names of a layer's past and present in the layer's own type: the graph's, or the other side of a Cast. */
export function cacheNames({ b, config, layer }: LayerContext): CacheNames {
  const casts = ioType(config, 'caches') !== config.dtype;
  const past = (part: string): string => {
    const name = `past_key_values.${layer}.${part}`;
    return casts ? b.cast(name, config.dtype) : name;
  };
  const present = (part: string): string =>
    casts ? `/layers.${layer}/present/${part}` : `present.${layer}.${part}`;
  return { pastKey: past('key'), pastValue: past('value'), key: present('key'), value: present('value') };
}

/** Casts a layer's present to the graph's type, if that is another one. */
export function emitPresentCasts({ b, config, layer }: LayerContext): void {
  const to = ioType(config, 'caches');
  if (to === config.dtype) return;
  for (const part of ['key', 'value']) {
    const outputs = [`present.${layer}.${part}`];
    b.node('Cast', [`/layers.${layer}/present/${part}`], { to: { type: to } }, { outputs });
  }
}
