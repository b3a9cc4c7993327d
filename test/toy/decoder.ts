// A toy decoder as ONNX bytes: inputs_embeds, attention_mask, optional position_ids and num_logits_to_keep, and a
// cache a layer → logits and the caches grown by this call.

import { emitDecomposedAttention } from './attention-decomposed.js';
import { emitGroupQueryAttention } from './attention-gqa.js';
import { emitMultiHeadAttention } from './attention-mha.js';
import { emitOnnxAttention } from './attention-onnx.js';
import { GraphBuilder } from './builder.js';
import { convKernel, ioType, layerKind, type ToyConfig } from './config.js';
import { emitLinear } from './linear.js';
import { emitConv, emitRecurrence } from './mixers.js';
import { emitAddNorm, emitNorm } from './norm.js';
import { Prologue } from './prologue.js';
import { emitPresentCasts } from './qkv.js';
import type { LayerContext } from './rotary.js';
import { toyWeights, type AttentionWeights, type LayerWeights, type ToyWeights } from './weights.js';

export interface ToyDecoder {
  readonly config: ToyConfig;
  readonly weights: ToyWeights;
  readonly bytes: Uint8Array;
}

export function toyDecoder(config: ToyConfig): ToyDecoder {
  const weights = toyWeights(config);
  const b = new GraphBuilder(config.opset, config.dtype);
  declareInputs(b, config);
  const prologue = new Prologue(b, config);
  b.scope('model/layers.0');
  const casts = ioType(config, 'embeds') !== config.dtype;
  let residual = casts ? b.cast('inputs_embeds', config.dtype) : 'inputs_embeds';
  let x = '';
  weights.layers.forEach((layerWeights, layer) => {
    if (layer === 0) x = emitNorm(b, config, residual, 'layers.0.input_layernorm', layerWeights.inputNorm);
    b.scope(`model/layers.${layer}`);
    const context = { b, config, prologue, layer };
    const mixed = emitMixer(context, x, layerWeights);
    const delta = emitPostNorm(context, mixed, 'post_attention_layernorm', layerWeights.postAttentionNorm);
    b.scope(`model/layers.${layer}`);
    const mlpNorm = `layers.${layer}.pre_feedforward_layernorm`;
    [x, residual] = emitAddNorm(b, config, residual, delta, mlpNorm, layerWeights.mlpNorm);
    const mlp = emitMlp(context, x, layerWeights);
    const mlpDelta = emitPostNorm(context, mlp, 'post_feedforward_layernorm', layerWeights.postMlpNorm);
    const next = weights.layers[layer + 1];
    const nextNorm = next === undefined ? 'final_norm' : `layers.${layer + 1}.input_layernorm`;
    const nextWeight = next?.inputNorm ?? weights.finalNorm;
    [x, residual] = emitAddNorm(b, config, residual, mlpDelta, nextNorm, nextWeight);
  });
  b.scope('lm_head');
  const last = config.numLogitsToKeep ? emitLastTokens(b, x) : x;
  const logits = emitLinear(b, last, weights.head, casts ? undefined : 'logits');
  if (casts) b.node('Cast', [logits], { to: { type: 'float32' } }, { outputs: ['logits'] });
  declareOutputs(b, config);
  return { config, weights, bytes: b.toBytes() };
}

function declareInputs(b: GraphBuilder, config: ToyConfig): void {
  b.input('inputs_embeds', ioType(config, 'embeds'), ['batch_size', 'sequence_length', config.hidden]);
  b.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']);
  const passed = config.attention.kind === 'gqa' && config.attention.positionInput;
  if (config.positions === 'input' || passed)
    b.input('position_ids', 'int64', ['batch_size', 'sequence_length']);
  if (config.positions === 'mrope') b.input('position_ids', 'int64', [3, 'batch_size', 'sequence_length']);
  if (config.numLogitsToKeep) b.input('num_logits_to_keep', 'int64', []);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [name, shape] of stateShapes(config, layer, 'past_sequence_length')) {
      b.input(name, ioType(config, 'caches'), shape);
    }
  }
}

function declareOutputs(b: GraphBuilder, config: ToyConfig): void {
  const rows = config.numLogitsToKeep ? 'num_logits_to_keep' : 'sequence_length';
  b.output('logits', ioType(config, 'embeds'), ['batch_size', rows, config.vocab]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [name, shape] of stateShapes(config, layer, 'total_sequence_length')) {
      b.output(
        name.replace('past_key_values', 'present').replace('past_', 'present_'),
        ioType(config, 'caches'),
        shape,
      );
    }
  }
}

function stateShapes(config: ToyConfig, layer: number, length: string): [string, (string | number)[]][] {
  switch (layerKind(config, layer)) {
    case 'attention':
      return ['key', 'value'].map((part) => [
        `past_key_values.${layer}.${part}`,
        ['batch_size', config.kvHeads, length, config.headDim],
      ]);
    case 'conv':
      return [[`past_conv.${layer}`, ['batch_size', config.hidden, convKernel]]];
    case 'recurrence':
      return [[`past_recurrent.${layer}`, ['batch_size', config.hidden]]];
  }
}

function emitMixer(context: LayerContext, x: string, weights: LayerWeights): string {
  switch (weights.mixer.kind) {
    case 'attention': {
      const heads = emitAttention(context, x, weights.mixer);
      emitPresentCasts(context);
      return emitLinear(context.b, heads, weights.mixer.o);
    }
    case 'conv':
      return emitConv(context, x, weights.mixer);
    case 'recurrence':
      return emitRecurrence(context, x, weights.mixer);
  }
}

function emitAttention(context: LayerContext, x: string, weights: AttentionWeights): string {
  const { attention } = context.config;
  context.b.scope(`model/layers.${context.layer}/attn`);
  switch (attention.kind) {
    case 'gqa':
      return emitGroupQueryAttention(context, x, weights, attention);
    case 'mha':
      return emitMultiHeadAttention(context, x, weights, attention);
    case 'attention23':
      return emitOnnxAttention(context, x, weights, attention);
    case 'decomposed':
      return emitDecomposedAttention(context, x, weights, attention);
  }
}

function emitPostNorm(
  context: LayerContext,
  x: string,
  name: string,
  weight: Float32Array | undefined,
): string {
  if (weight === undefined) return x;
  return emitNorm(context.b, context.config, x, `layers.${context.layer}.${name}`, weight);
}

/** down(silu(gate(x)) · up(x)) */
function emitMlp({ b, layer }: LayerContext, x: string, weights: LayerWeights): string {
  b.scope(`model/layers.${layer}/mlp`);
  const gate = emitLinear(b, x, weights.gate);
  const up = emitLinear(b, x, weights.up);
  const silu = b.node('Mul', [gate, b.node('Sigmoid', [gate])]);
  return emitLinear(b, b.node('Mul', [silu, up]), weights.down);
}

/** The last num_logits_to_keep tokens; all of them for 0. */
function emitLastTokens(b: GraphBuilder, x: string): string {
  const first = b.unsqueeze(b.node('Neg', ['num_logits_to_keep']), 0);
  return b.node('Slice', [x, first, b.ints(2147483647), b.ints(1)]);
}
