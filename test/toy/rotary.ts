// Rotation of q and k outside the attention op, and the reshapes between [batch, sequence, heads·head] ("3d") and
// [batch, heads, sequence, head] ("4d").

import type { GraphBuilder } from './builder.js';
import type { ToyConfig } from './config.js';
import type { Prologue } from './prologue.js';

export interface LayerContext {
  readonly b: GraphBuilder;
  readonly config: ToyConfig;
  readonly prologue: Prologue;
  readonly layer: number;
}

export function splitHeads({ b, config }: LayerContext, x: string, heads: number): string {
  return b.transpose(b.reshape(x, 0, 0, heads, config.headDim), 0, 2, 1, 3);
}

export function mergeHeads({ b, config }: LayerContext, x: string, heads: number): string {
  return b.reshape(b.transpose(x, 0, 2, 1, 3), 0, 0, heads * config.headDim);
}

/** Rotates `x` by the call's positions; `x` and the result have the same layout. */
export function emitRotary(context: LayerContext, x: string, heads: number, layout: '3d' | '4d'): string {
  const { b, config, prologue, layer } = context;
  const partial = config.rotaryDim < config.headDim;
  const attributes = {
    interleaved: { int: config.rotaryInterleaved ? 1 : 0 },
    ...(layout === '3d' || partial ? { num_heads: { int: heads } } : {}),
    ...(partial ? { rotary_embedding_dim: { int: config.rotaryDim } } : {}),
  };
  const cos = (): string => prologue.rotaryCache('cos', layer);
  const sin = (): string => prologue.rotaryCache('sin', layer);
  switch (config.rotaryOp) {
    case 'microsoft':
      return b.node('RotaryEmbedding', [x, prologue.positionIds(), cos(), sin()], attributes, {
        domain: 'com.microsoft',
      });
    case 'onnx-ids':
      return b.node('RotaryEmbedding', [x, cos(), sin(), prologue.positionIds()], attributes);
    case 'onnx-gathered': {
      const gathered = [prologue.gatheredCache('cos', layer), prologue.gatheredCache('sin', layer)];
      return b.node('RotaryEmbedding', [x, ...gathered], attributes);
    }
    case 'tables': {
      if (layout === '4d') return rotateHalf(context, x);
      return mergeHeads(context, rotateHalf(context, splitHeads(context, x, heads)), heads);
    }
  }
}

/** x·cos + rotate_half(x)·sin on [batch, heads, sequence, head]; a head's part beyond rotaryDim passes through. */
function rotateHalf({ b, config, prologue, layer }: LayerContext, x: string): string {
  const slice = (value: string, from: number, to: number): string =>
    b.node('Slice', [value, b.ints(from), b.ints(to), b.ints(3)]);
  const { rotaryDim, headDim } = config;
  const rotated = rotaryDim < headDim ? slice(x, 0, rotaryDim) : x;
  const low = slice(rotated, 0, rotaryDim / 2);
  const high = slice(rotated, rotaryDim / 2, 2147483647);
  const turned = b.node('Concat', [b.node('Neg', [high]), low], { axis: { int: -1 } });
  const result = b.node('Add', [
    b.node('Mul', [rotated, prologue.rotaryTable('cos', layer)]),
    b.node('Mul', [turned, prologue.rotaryTable('sin', layer)]),
  ]);
  if (rotaryDim === headDim) return result;
  return b.node('Concat', [result, slice(x, rotaryDim, 2147483647)], { axis: { int: -1 } });
}
