// com.microsoft MultiHeadAttention: with the KV cache inside the op, or concatenated (and repeated) before it.

import { attentionScale, type MultiHeadAttentionConfig } from './config.js';
import { cacheNames, emitProjections } from './qkv.js';
import { emitOutsideCache, emitRepeatKv } from './repeat-kv.js';
import { emitRotary, mergeHeads, splitHeads, type LayerContext } from './rotary.js';
import type { AttentionWeights } from './weights.js';

/** Returns the heads' outputs side by side, [batch, sequence, heads·head]. */
export function emitMultiHeadAttention(
  context: LayerContext,
  x: string,
  weights: AttentionWeights,
  attention: MultiHeadAttentionConfig,
): string {
  const { b, config, layer } = context;
  const { q, k, v } = emitProjections(context, x, weights);
  const query = emitRotary(context, q, config.heads, '3d');
  const bias = attention.causal === 'bias' ? emitBias(context, attention.biasHeads) : '';
  const attributes = {
    num_heads: { int: config.heads },
    scale: { float: attentionScale(config) },
    ...(attention.causal === 'unidirectional' ? { unidirectional: { int: 1 } } : {}),
  };
  const output = `/model/layers.${layer}/attn/MultiHeadAttention/output_0`;
  if (attention.past === 'op') {
    const cache = cacheNames(context);
    const key = emitRotary(context, k, config.kvHeads, '3d');
    return b.node(
      'MultiHeadAttention',
      [query, key, v, '', '', bias, cache.pastKey, cache.pastValue],
      attributes,
      { domain: 'com.microsoft', outputs: [output, cache.key, cache.value] },
    );
  }
  const k4d = emitRotary(context, splitHeads(context, k, config.kvHeads), config.kvHeads, '4d');
  const present = emitOutsideCache(context, k4d, v);
  const all = [emitRepeatKv(context, present.k), emitRepeatKv(context, present.v)];
  const keyValue =
    attention.layout === '4d' ? all : all.map((value) => mergeHeads(context, value, config.heads));
  return b.node('MultiHeadAttention', [query, ...keyValue, '', '', bias], attributes, {
    domain: 'com.microsoft',
    outputs: [output],
  });
}

function emitBias({ b, config, prologue, layer }: LayerContext, planes: 'one' | 'all'): string {
  const mask = prologue.floatMask(layer);
  if (planes === 'one') return mask;
  const shape = b.vector(prologue.batch(), config.heads, prologue.sequence(), prologue.total());
  return b.node('Expand', [mask, shape]);
}
