// Past and present by Concat, and KV heads repeated for their query groups: what exports do before ops that know
// neither.

import { cacheNames } from './qkv.js';
import { splitHeads, type LayerContext } from './rotary.js';

/** [batch, kvHeads, T, head] → [batch, heads, T, head] by Unsqueeze, Expand or Tile, and Reshape. */
export function emitRepeatKv({ b, config }: LayerContext, x: string): string {
  const groups = config.heads / config.kvHeads;
  if (groups === 1) return x;
  const tiled = config.attention.kind === 'decomposed' && config.attention.repeat === 'tile';
  const expanded = tiled
    ? b.node('Tile', [b.unsqueeze(x, 2), b.ints(1, 1, groups, 1, 1)])
    : b.node('Expand', [
        b.unsqueeze(x, 2),
        b.vector(b.dim(x, 0), config.kvHeads, groups, b.dim(x, 2), config.headDim),
      ]);
  return b.node('Reshape', [expanded, b.vector(b.dim(x, 0), config.heads, b.dim(x, 2), config.headDim)]);
}

/** Present keys and values with all heads, from 4d keys and 3d values. */
export function emitOutsideCache(
  context: LayerContext,
  k4d: string,
  v3d: string,
): { readonly k: string; readonly v: string } {
  const { b, config } = context;
  const names = cacheNames(context);
  const append = (past: string, x: string, present: string): string =>
    b.node('Concat', [past, x], { axis: { int: 2 } }, { outputs: [present] });
  return {
    k: append(names.pastKey, k4d, names.key),
    v: append(names.pastValue, splitHeads(context, v3d, config.kvHeads), names.value),
  };
}
