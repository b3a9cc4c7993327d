// Attention in its parts, as torch.onnx.export leaves it: MatMul, scale, mask, Softmax, MatMul.

import { attentionScale, type DecomposedAttentionConfig } from './config.js';
import { emitProjections } from './qkv.js';
import { mostNegative } from './prologue.js';
import { emitOutsideCache, emitRepeatKv } from './repeat-kv.js';
import { emitRotary, mergeHeads, splitHeads, type LayerContext } from './rotary.js';
import type { AttentionWeights } from './weights.js';

/** Returns the heads' outputs side by side, [batch, sequence, heads·head]. */
export function emitDecomposedAttention(
  context: LayerContext,
  x: string,
  weights: AttentionWeights,
  attention: DecomposedAttentionConfig,
): string {
  const { b, config } = context;
  const projections = emitProjections(context, x, weights);
  const q = emitRotary(context, splitHeads(context, projections.q, config.heads), config.heads, '4d');
  const k4d = emitRotary(context, splitHeads(context, projections.k, config.kvHeads), config.kvHeads, '4d');
  const present = emitOutsideCache(context, k4d, projections.v);
  if (attention.repeat !== '5d') {
    const k = emitRepeatKv(context, present.k);
    const v = emitRepeatKv(context, present.v);
    const scores = emitScores(context, q, b.transpose(k, 0, 1, 3, 2), attention.scale);
    const probabilities = emitProbabilities(context, scores, weights, attention, false);
    return mergeHeads(context, b.node('MatMul', [probabilities, v]), config.heads);
  }
  // [batch, kvHeads, group, S, head] · [batch, kvHeads, 1, head, T]
  const groups = config.heads / config.kvHeads;
  const q5d = b.reshape(q, 0, config.kvHeads, groups, -1, config.headDim);
  const k5d = b.unsqueeze(b.transpose(present.k, 0, 1, 3, 2), 2);
  const scores = emitScores(context, q5d, k5d, attention.scale);
  const probabilities = emitProbabilities(context, scores, weights, attention, true);
  const mixed = b.node('MatMul', [probabilities, b.unsqueeze(present.v, 2)]);
  const flat = b.reshape(mixed, 0, config.heads, -1, config.headDim);
  return mergeHeads(context, flat, config.heads);
}

function emitScores(
  { b, config }: LayerContext,
  q: string,
  k: string,
  placement: DecomposedAttentionConfig['scale'],
): string {
  const scale = attentionScale(config);
  switch (placement) {
    case 'mul':
      return b.node('Mul', [b.node('MatMul', [q, k]), b.float(scale)]);
    case 'div':
      return b.node('Div', [b.node('MatMul', [q, k]), b.float(1 / scale)]);
    case 'both': {
      const root = b.float(Math.sqrt(scale));
      return b.node('MatMul', [b.node('Mul', [q, root]), b.node('Mul', [k, root])]);
    }
  }
}

/** Softmax over keys of capped and masked scores, [batch, heads, S, T] or [batch, kvHeads, group, S, T]. */
function emitProbabilities(
  { b, config, prologue, layer }: LayerContext,
  raw: string,
  weights: AttentionWeights,
  attention: DecomposedAttentionConfig,
  grouped: boolean,
): string {
  const cap = config.softcap;
  const capped =
    cap === 0 ? raw : b.node('Mul', [b.node('Tanh', [b.node('Div', [raw, b.float(cap)])]), b.float(cap)]);
  const plane = (mask: string): string => (grouped ? b.unsqueeze(mask, 1) : mask);
  const lowest = attention.nanGuard ? -Infinity : mostNegative[config.dtype];
  const masked =
    attention.mask === 'add'
      ? b.node('Add', [capped, plane(prologue.floatMask(layer, lowest))])
      : b.node('Where', [plane(prologue.boolMask(layer)), capped, b.float(lowest)]);
  const wide = b.dtype === 'float32' ? masked : b.cast(masked, 'float32');
  const softmax =
    weights.sink === undefined ? emitSoftmax(b, wide) : emitSinkSoftmax(b, wide, weights.sink, layer);
  const cast = (): string =>
    attention.castLike === true ? b.node('CastLike', [softmax, raw]) : b.cast(softmax, b.dtype);
  const narrow = b.dtype === 'float32' && attention.castLike !== true ? softmax : cast();
  if (!attention.nanGuard) return narrow;
  return b.node('Where', [b.node('IsNaN', [narrow]), b.float(0), narrow]);
}

function emitSoftmax(b: LayerContext['b'], scores: string): string {
  return b.node('Softmax', [scores], { axis: { int: -1 } });
}

/** One more column with the head's sink before the softmax, cut off after it, as GPT-OSS does it in eager mode. */
function emitSinkSoftmax(b: LayerContext['b'], scores: string, sink: Float32Array, layer: number): string {
  const column = b.weight(`layers.${layer}.attn.sinks`, [1, sink.length, 1, 1], sink, 'float32');
  const shape = b.vector(b.dim(scores, 0), sink.length, b.dim(scores, 2), 1);
  const joined = b.node('Concat', [scores, b.node('Expand', [column, shape])], { axis: { int: -1 } });
  return b.node('Slice', [emitSoftmax(b, joined), b.ints(0), b.ints(-1), b.ints(3)]);
}
