// Past and present by Concat, and KV heads repeated for their query groups: what exports do before ops that know
// neither.

import { cacheNames } from './qkv.js';
import { splitHeads, type LayerContext } from './rotary.js';

/** Appends this call's keys or values [batch, sequence, kvHeads·head] to the past: the layer's present, 4d. */
export function emitConcatPast(context: LayerContext, x4d: string, part: 'key' | 'value'): string {
  const names = cacheNames(context.layer);
  const past = part === 'key' ? names.pastKey : names.pastValue;
  return context.b.node('Concat', [past, x4d], { axis: { int: 2 } }, { outputs: [names[part]] });
}

/** [batch, kvHeads, T, head] → [batch, heads, T, head] by Unsqueeze, Expand and Reshape. */
export function emitRepeatKv({ b, config }: LayerContext, x: string): string {
  const groups = config.heads / config.kvHeads;
  if (groups === 1) return x;
  const shape = b.vector(b.dim(x, 0), config.kvHeads, groups, b.dim(x, 2), config.headDim);
  const expanded = b.node('Expand', [b.unsqueeze(x, 2), shape]);
  return b.node('Reshape', [expanded, b.vector(b.dim(x, 0), config.heads, b.dim(x, 2), config.headDim)]);
}

/** Present keys and values with all heads, from 4d keys and 3d values. */
export function emitOutsideCache(
  context: LayerContext,
  k4d: string,
  v3d: string,
): { readonly k: string; readonly v: string } {
  const v4d = splitHeads(context, v3d, context.config.kvHeads);
  return { k: emitConcatPast(context, k4d, 'key'), v: emitConcatPast(context, v4d, 'value') };
}
