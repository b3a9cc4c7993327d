// ONNX Attention (opset 23), 3d or 4d, with the KV cache inside the op or concatenated before it.

import { attentionScale, type OnnxAttentionConfig } from './config.js';
import { cacheNames, emitProjections } from './qkv.js';
import { emitOutsideCache } from './repeat-kv.js';
import { emitRotary, mergeHeads, splitHeads, type LayerContext } from './rotary.js';
import type { AttentionWeights } from './weights.js';

/** Returns the heads' outputs side by side, [batch, sequence, heads·head]. */
export function emitOnnxAttention(
  context: LayerContext,
  x: string,
  weights: AttentionWeights,
  attention: OnnxAttentionConfig,
): string {
  const { b, config, prologue, layer } = context;
  const { q, k, v } = emitProjections(context, x, weights);
  const mask = {
    float: () => prologue.floatMask(layer),
    bool: () => prologue.boolMask(layer),
    is_causal: () => '',
  }[attention.mask]();
  const cache = cacheNames(context);
  const output = `/model/layers.${layer}/attn/Attention/output_0`;
  const flat = attention.layout === '3d';
  const attributes = {
    scale: { float: attentionScale(config) },
    ...(config.softcap === 0 ? {} : { softcap: { float: config.softcap } }),
    ...(attention.mask === 'is_causal' ? { is_causal: { int: 1 } } : {}),
    ...(flat ? { q_num_heads: { int: config.heads }, kv_num_heads: { int: config.kvHeads } } : {}),
  };
  if (flat) {
    const inputs = [
      emitRotary(context, q, config.heads, '3d'),
      emitRotary(context, k, config.kvHeads, '3d'),
      v,
    ];
    const past = [mask, cache.pastKey, cache.pastValue];
    return b.node('Attention', [...inputs, ...past], attributes, {
      outputs: [output, cache.key, cache.value],
    });
  }
  const q4d = emitRotary(context, splitHeads(context, q, config.heads), config.heads, '4d');
  const k4d = emitRotary(context, splitHeads(context, k, config.kvHeads), config.kvHeads, '4d');
  if (attention.past === 'outside') {
    const present = emitOutsideCache(context, k4d, v);
    const inputs = mask === '' ? [q4d, present.k, present.v] : [q4d, present.k, present.v, mask];
    b.node('Attention', inputs, attributes, { outputs: [output] });
  } else {
    const v4d = splitHeads(context, v, config.kvHeads);
    const inputs = [q4d, k4d, v4d, mask, cache.pastKey, cache.pastValue];
    b.node('Attention', inputs, attributes, { outputs: [output, cache.key, cache.value] });
  }
  return mergeHeads(context, output, config.heads);
}
