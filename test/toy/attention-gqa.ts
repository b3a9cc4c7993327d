// com.microsoft GroupQueryAttention, as the ONNX Runtime GenAI model builder and today's community exports use it.

import { attentionScale, layerWindow, type GroupQueryAttentionConfig } from './config.js';
import { emitLinear } from './linear.js';
import { cacheNames, emitProjections, packedLinear } from './qkv.js';
import { emitRotary, type LayerContext } from './rotary.js';
import type { AttentionWeights } from './weights.js';

/** Returns the heads' outputs side by side, [batch, sequence, heads·head]. */
export function emitGroupQueryAttention(
  context: LayerContext,
  x: string,
  weights: AttentionWeights,
  attention: GroupQueryAttentionConfig,
): string {
  const { b, config, prologue, layer } = context;
  const inOp = attention.rotary === 'op';
  const qkv = attention.packed
    ? [emitLinear(b, x, packedLinear(weights)), '', '']
    : separate(context, x, weights, inOp);
  const bias = {
    none: () => '',
    padding: () => prologue.paddingBias(),
    causal: () => prologue.floatMask(layer),
  }[attention.bias]();
  const cache = cacheNames(context);
  const window = layerWindow(config, layer);
  const inputs = [
    ...qkv,
    cache.pastKey,
    cache.pastValue,
    prologue.sequenceLengths(attention.lengths),
    prologue.totalSequenceLength(),
    inOp ? prologue.rotaryCache('cos', layer) : '',
    inOp ? prologue.rotaryCache('sin', layer) : '',
    attention.positionInput ? prologue.positionIds() : '',
    bias,
    weights.sink === undefined ? '' : b.weight(`layers.${layer}.attn.sinks`, [config.heads], weights.sink),
  ];
  b.scope(`model/layers.${layer}/attn`);
  const output = `/model/layers.${layer}/attn/GroupQueryAttention/output_0`;
  return b.node(
    'GroupQueryAttention',
    inputs,
    {
      num_heads: { int: config.heads },
      kv_num_heads: { int: config.kvHeads },
      scale: { float: attentionScale(config) },
      local_window_size: { int: window === 0 ? -1 : window },
      softcap: { float: config.softcap },
      do_rotary: { int: inOp ? 1 : 0 },
      rotary_interleaved: { int: config.rotaryInterleaved ? 1 : 0 },
      ...(config.sink === 'smooth' ? { smooth_softmax: { int: 1 } } : {}),
    },
    { domain: 'com.microsoft', outputs: [output, cache.key, cache.value] },
  );
}

function separate(context: LayerContext, x: string, weights: AttentionWeights, inOp: boolean): string[] {
  const { q, k, v } = emitProjections(context, x, weights);
  if (inOp) return [q, k, v];
  return [
    emitRotary(context, q, context.config.heads, '3d'),
    emitRotary(context, k, context.config.kvHeads, '3d'),
    v,
  ];
}
