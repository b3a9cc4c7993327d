// What a toy decoder is made of. Every switch stands for something that real exports do; a family is a set of
// switches (families.ts). Defaults give a plain Llama-like decoder, small enough to run in milliseconds.

import type { FloatType } from './half.js';

/** com.microsoft GroupQueryAttention, as the ONNX Runtime GenAI model builder writes it. */
export interface GroupQueryAttentionConfig {
  readonly kind: 'gqa';
  /** One MatMul for q, k and v, whose output goes into the op's first input. */
  readonly packed: boolean;
  /** Rotation inside the op (do_rotary=1) or by nodes before it. */
  readonly rotary: 'op' | 'outside';
  /** `attention_bias` input: none, only the padded places (Gemma 3), or causal mask and padding. */
  readonly bias: 'none' | 'padding' | 'causal';
  /** `seqlens_k` from ReduceSum(attention_mask)-1, or from the mask's shape (left padding then needs a bias). */
  readonly lengths: 'reduce-sum' | 'shape';
  /** Passes position_ids to the op (do_rotary=1 and positions 'input'). */
  readonly positionInput: boolean;
}

/** com.microsoft MultiHeadAttention. */
export interface MultiHeadAttentionConfig {
  readonly kind: 'mha';
  /** Past and present by the op, or by a Concat before it (then KV heads are repeated before it too). */
  readonly past: 'op' | 'outside';
  /** Causality by `attention_bias` or by `unidirectional=1`. */
  readonly causal: 'bias' | 'unidirectional';
  /** `attention_bias` has one plane for all heads, or one a head. */
  readonly biasHeads: 'one' | 'all';
  /** Key and value go into the op as [batch, sequence, hidden] or [batch, heads, sequence, head]. */
  readonly layout: '3d' | '4d';
}

/** ONNX Attention, opset 23. */
export interface OnnxAttentionConfig {
  readonly kind: 'attention23';
  readonly layout: '3d' | '4d';
  readonly past: 'op' | 'outside';
  /** Causality by `attn_mask` (float or bool), or by is_causal=1. */
  readonly mask: 'float' | 'bool' | 'is_causal';
}

/** MatMul, Softmax, MatMul, as torch.onnx.export leaves it. */
export interface DecomposedAttentionConfig {
  readonly kind: 'decomposed';
  /** Where 1/sqrt(head) goes: Mul or Div on the scores, or sqrt of it on q and on k (SDPA exports). */
  readonly scale: 'mul' | 'div' | 'both';
  /** KV heads repeated by Expand or Tile and Reshape, or q reshaped to 5 dimensions. */
  readonly repeat: 'expand' | 'tile' | '5d';
  /** Mask added to the scores, or chosen by Where. */
  readonly mask: 'add' | 'where';
  /** Where(IsNaN(p), 0, p) after the softmax, as newer SDPA exports have. */
  readonly nanGuard: boolean;
  /** Probabilities brought back to the scores' type by CastLike, as dynamo exports write type_as. */
  readonly castLike?: boolean;
}

export type AttentionConfig =
  GroupQueryAttentionConfig | MultiHeadAttentionConfig | OnnxAttentionConfig | DecomposedAttentionConfig;

export type LayerKind = 'attention' | 'conv' | 'recurrence';

export interface ToyConfig {
  readonly seed: number;
  readonly opset: 14 | 17 | 18 | 21 | 23;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly mlp: number;
  readonly vocab: number;
  readonly dtype: FloatType;
  readonly weights: 'float' | 'int4' | 'qdq' | 'dynamic-uint8' | 'dynamic-int8';
  readonly attention: AttentionConfig;
  /** Kind of each layer; layers beyond the list are attention. */
  readonly layerKinds: readonly LayerKind[];
  /**
   * Where positions come from: a position_ids input, [batch, sequence] or [3, batch, sequence] (mRoPE); the
   * length of the past (`range`); the attention mask (`cumsum`); or the attention op itself (`implicit`).
   */
  readonly positions: 'input' | 'mrope' | 'range' | 'cumsum' | 'implicit';
  /** Rotation outside an attention op: which op does it. `tables` is plain arithmetic with cos and sin. */
  readonly rotaryOp: 'tables' | 'microsoft' | 'onnx-ids' | 'onnx-gathered';
  /** `tables`: computed from positions, or rows of a constant that is cut to the sequence's length first. */
  readonly rotaryTables?: 'computed' | 'cut';
  readonly rotaryTheta: number;
  /** Rotated part of a head; the rest is left as it is. */
  readonly rotaryDim: number;
  readonly rotaryInterleaved: boolean;
  /** Rotary pairs that each of the three mRoPE axes has; their sum is rotaryDim / 2. */
  readonly mropeSections: readonly [number, number, number];
  readonly maxPositions: number;
  /** Attention scale; undefined is 1/sqrt(headDim). */
  readonly scale: number | undefined;
  readonly softcap: number;
  /** Layers that see only the last `size` cache slots, and have a rotary theta of their own. */
  readonly window:
    { readonly size: number; readonly layers: readonly number[]; readonly theta: number } | undefined;
  /** Extra term in the softmax denominator: exp(0) (smooth softmax) or exp(weight of the head). */
  readonly sink: 'none' | 'smooth' | 'head';
  readonly qkNorm: boolean;
  readonly qkvBias: boolean;
  /** RMS norm: fused with the residual Add, fused alone, ONNX RMSNormalization (opset 23), or in its parts. */
  readonly norm: 'skip' | 'fused' | 'onnx' | 'decomposed';
  /** Norms after attention and MLP too, as in Gemma. */
  readonly postNorms: boolean;
  readonly epsilon: number;
  readonly numLogitsToKeep: boolean;
  /**
   * What masks compare places with: the length of the past, the length of the attention mask less this call's, or
   * position_ids (which then are places, so that rows can't be padded on the left).
   */
  readonly maskFrom: 'past' | 'attention-mask' | 'position-ids';
  /** float32 inputs_embeds and logits (`embeds`), or float32 caches too (`all`), in a 16-bit graph. */
  readonly io: 'same' | 'embeds' | 'all';
  /** The export handles left-padded rows. */
  readonly leftPadding: boolean;
  /** The kernel takes several new tokens on a past in batches of more than one row. */
  readonly batchedTurns: boolean;
}

const defaults: ToyConfig = {
  seed: 1,
  opset: 21,
  layers: 4,
  hidden: 32,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  mlp: 64,
  vocab: 40,
  dtype: 'float32',
  weights: 'float',
  attention: {
    kind: 'decomposed',
    scale: 'mul',
    repeat: 'expand',
    mask: 'add',
    nanGuard: false,
  },
  layerKinds: [],
  positions: 'input',
  rotaryOp: 'tables',
  rotaryTheta: 10000,
  rotaryDim: 16,
  rotaryInterleaved: false,
  mropeSections: [2, 3, 3],
  maxPositions: 256,
  scale: undefined,
  softcap: 0,
  window: undefined,
  sink: 'none',
  qkNorm: false,
  qkvBias: false,
  norm: 'fused',
  postNorms: false,
  epsilon: 1e-6,
  numLogitsToKeep: false,
  maskFrom: 'past',
  io: 'same',
  leftPadding: true,
  batchedTurns: true,
};

/** A config from the defaults and what differs from them. */
export function toyConfig(changes: Partial<ToyConfig> = {}): ToyConfig {
  return { ...defaults, ...changes };
}

export function layerKind(config: ToyConfig, layer: number): LayerKind {
  return config.layerKinds[layer] ?? 'attention';
}

/** The attention window of a layer, in cache slots; 0 if it sees everything. */
export function layerWindow(config: ToyConfig, layer: number): number {
  return config.window?.layers.includes(layer) === true ? config.window.size : 0;
}

export function layerTheta(config: ToyConfig, layer: number): number {
  return config.window?.layers.includes(layer) === true ? config.window.theta : config.rotaryTheta;
}

export function attentionScale(config: ToyConfig): number {
  return config.scale ?? 1 / Math.sqrt(config.headDim);
}

/** Element type of a graph's inputs_embeds and logits, or of its caches. */
export function ioType(config: ToyConfig, part: 'embeds' | 'caches'): FloatType {
  if (config.io === 'all' || (config.io === 'embeds' && part === 'embeds')) return 'float32';
  return config.dtype;
}

/** Width of a convolution layer's kernel, and of the state that it carries from call to call. */
export const convKernel = 3;
