// Every export family that a rewrite must understand, as toys. Tests iterate over them with describe.each.

import {
  layerKind,
  toyConfig,
  type DecomposedAttentionConfig,
  type GroupQueryAttentionConfig,
  type MultiHeadAttentionConfig,
  type OnnxAttentionConfig,
  type ToyConfig,
} from './config.js';
import type { Provider } from './run.js';

export interface ToyFamily {
  readonly name: string;
  readonly config: ToyConfig;
}

function gqa(changes: Partial<GroupQueryAttentionConfig> = {}): GroupQueryAttentionConfig {
  return {
    kind: 'gqa',
    packed: false,
    rotary: 'op',
    bias: 'none',
    lengths: 'reduce-sum',
    positionInput: false,
    ...changes,
  };
}

function mha(changes: Partial<MultiHeadAttentionConfig> = {}): MultiHeadAttentionConfig {
  return { kind: 'mha', past: 'op', causal: 'bias', biasHeads: 'one', layout: '3d', ...changes };
}

function onnx(changes: Partial<OnnxAttentionConfig> = {}): OnnxAttentionConfig {
  return { kind: 'attention23', layout: '4d', past: 'op', mask: 'float', ...changes };
}

function decomposed(changes: Partial<DecomposedAttentionConfig> = {}): DecomposedAttentionConfig {
  return { kind: 'decomposed', scale: 'mul', repeat: 'expand', mask: 'add', nanGuard: false, ...changes };
}

/** GroupQueryAttention as the GenAI builder writes it: no position_ids, lengths from the mask's sum. */
const builder = {
  attention: gqa(),
  positions: 'implicit',
  norm: 'skip',
  leftPadding: false,
  batchedTurns: false,
} as const satisfies Partial<ToyConfig>;

/** The same as community exports for Transformers.js have it: left padding by attention_bias. */
const community = {
  ...builder,
  attention: gqa({ bias: 'padding', lengths: 'shape' }),
  leftPadding: true,
} as const satisfies Partial<ToyConfig>;

/** ONNX Attention in opset 23 with the other ops of its time. */
const modern = { opset: 23, norm: 'onnx', rotaryOp: 'onnx-ids' } as const satisfies Partial<ToyConfig>;

/** torch.onnx.export of a Hugging Face module. */
const torchscript = { opset: 17, norm: 'decomposed' } as const satisfies Partial<ToyConfig>;

const gemmaWindow = { size: 5, layers: [0, 2], theta: 100 } as const;

const table: Readonly<Record<string, Partial<ToyConfig>>> = {
  // GroupQueryAttention
  gqa: builder,
  'gqa packed': { ...builder, attention: gqa({ packed: true }), qkvBias: true },
  // no left padding here: the op takes slots at prefill but position_ids in decoding, so the export is wrong then
  'gqa position_ids into the op': {
    ...builder,
    positions: 'input',
    attention: gqa({ positionInput: true }),
  },
  'gqa q/k norms': { ...builder, qkNorm: true },
  'gqa interleaved': { ...builder, rotaryInterleaved: true },
  'gqa partial rotary': { ...builder, headDim: 32, rotaryDim: 16 },
  'gqa softcap': { ...builder, softcap: 3 },
  'gqa smooth softmax': { ...builder, sink: 'smooth' },
  'gqa head sink': { ...builder, sink: 'head' },
  'gqa window': { ...builder, window: { size: 6, layers: [0, 1, 2, 3], theta: 10000 } },
  'gqa attention_bias': community,
  'gqa attention_bias softcap': { ...community, softcap: 3 },
  'gqa causal attention_bias': {
    ...community,
    attention: gqa({ bias: 'causal', lengths: 'shape' }),
  },
  'gqa gemma': {
    ...community,
    norm: 'fused',
    postNorms: true,
    qkNorm: true,
    window: gemmaWindow,
    scale: 0.2,
    numLogitsToKeep: true,
  },
  'gqa rotary outside': {
    ...builder,
    attention: gqa({ rotary: 'outside' }),
    positions: 'input',
    rotaryOp: 'microsoft',
  },
  'gqa rotary outside, left padding': {
    ...community,
    attention: gqa({ rotary: 'outside', bias: 'padding', lengths: 'shape' }),
    positions: 'input',
    rotaryOp: 'microsoft',
  },
  'gqa rotary outside, interleaved': {
    ...builder,
    attention: gqa({ rotary: 'outside' }),
    positions: 'input',
    rotaryOp: 'microsoft',
    rotaryInterleaved: true,
  },
  'gqa rotary outside, positions from the past': {
    ...builder,
    attention: gqa({ rotary: 'outside' }),
    positions: 'range',
    rotaryOp: 'microsoft',
  },
  'gqa rotary outside, positions from the mask': {
    ...community,
    attention: gqa({ rotary: 'outside', bias: 'padding', lengths: 'shape' }),
    positions: 'cumsum',
    rotaryOp: 'microsoft',
  },
  'gqa mrope': {
    ...community,
    attention: gqa({ rotary: 'outside', bias: 'padding', lengths: 'shape' }),
    positions: 'mrope',
    numLogitsToKeep: true,
  },
  'gqa int4': { ...builder, weights: 'int4' },
  'gqa dynamic uint8': { ...builder, weights: 'dynamic-uint8' },
  'gqa float16': { ...community, dtype: 'float16' },
  'gqa float16, float32 embeddings': { ...community, dtype: 'float16', io: 'embeds', weights: 'int4' },
  'gqa float16, float32 caches': { ...community, dtype: 'float16', io: 'all' },
  'gqa float16 int4': { ...builder, dtype: 'float16', weights: 'int4' },

  // MultiHeadAttention
  mha: { attention: mha(), kvHeads: 4, rotaryOp: 'microsoft', norm: 'skip' },
  'mha bias a head': {
    attention: mha({ biasHeads: 'all' }),
    kvHeads: 4,
    rotaryOp: 'microsoft',
    numLogitsToKeep: true,
  },
  'mha unidirectional': {
    attention: mha({ causal: 'unidirectional' }),
    kvHeads: 4,
    rotaryOp: 'microsoft',
    leftPadding: false,
  },
  'mha onnx rotary': { opset: 23, attention: mha(), kvHeads: 4, rotaryOp: 'onnx-ids', norm: 'onnx' },
  'mha past outside': { attention: mha({ past: 'outside' }), rotaryOp: 'microsoft', qkNorm: true },
  'mha past outside 4d': {
    attention: mha({ past: 'outside', layout: '4d' }),
    rotaryOp: 'microsoft',
    window: gemmaWindow,
  },
  'mha positions from the past': {
    attention: mha(),
    kvHeads: 4,
    rotaryOp: 'microsoft',
    positions: 'range',
  },
  'mha mask by its length': {
    attention: mha(),
    kvHeads: 4,
    rotaryOp: 'microsoft',
    maskFrom: 'attention-mask',
  },
  'mha float16': { attention: mha(), kvHeads: 4, rotaryOp: 'microsoft', dtype: 'float16' },

  // ONNX Attention, opset 23
  attention23: { ...modern, attention: onnx() },
  'attention23 3d': { ...modern, attention: onnx({ layout: '3d' }), numLogitsToKeep: true },
  'attention23 bool mask': {
    ...modern,
    attention: onnx({ mask: 'bool' }),
    rotaryOp: 'onnx-gathered',
    window: gemmaWindow,
  },
  'attention23 is_causal': {
    ...modern,
    attention: onnx({ layout: '3d', mask: 'is_causal' }),
    leftPadding: false,
  },
  'attention23 past outside': { ...modern, attention: onnx({ past: 'outside' }), rotaryOp: 'tables' },
  'attention23 qdq': { ...modern, attention: onnx(), weights: 'qdq' },
  'attention23 dynamic int8': { ...modern, attention: onnx(), weights: 'dynamic-int8' },
  'attention23 int4': {
    ...modern,
    attention: onnx({ past: 'outside' }),
    weights: 'int4',
    rotaryOp: 'tables',
  },
  'attention23 softcap and mask': { ...modern, attention: onnx(), softcap: 3 },
  'attention23 float16': { ...modern, attention: onnx({ layout: '3d' }), dtype: 'float16' },
  'attention23 softcap': {
    ...modern,
    attention: onnx({ mask: 'is_causal' }),
    softcap: 3,
    leftPadding: false,
  },

  // decomposed attention
  eager: { ...torchscript, attention: decomposed() },
  'eager 5d': { ...torchscript, attention: decomposed({ repeat: '5d', scale: 'div' }), qkvBias: true },
  'eager tile': { ...torchscript, attention: decomposed({ repeat: 'tile' }) },
  'eager where': { ...torchscript, attention: decomposed({ mask: 'where' }), qkNorm: true },
  'eager opset 21': { attention: decomposed(), norm: 'decomposed', opset: 21, numLogitsToKeep: true },
  'eager opset 14': { ...torchscript, opset: 14, attention: decomposed() },
  'sdpa opset 18': { ...torchscript, opset: 18, attention: decomposed({ scale: 'both' }) },
  'eager softcap window': {
    ...torchscript,
    attention: decomposed(),
    softcap: 3,
    window: gemmaWindow,
    postNorms: true,
  },
  'eager partial rotary': { ...torchscript, attention: decomposed(), headDim: 24, rotaryDim: 16 },
  'eager sink': { ...torchscript, attention: decomposed(), sink: 'head' },
  sdpa: { ...torchscript, attention: decomposed({ scale: 'both' }) },
  'sdpa nan guard': { ...torchscript, attention: decomposed({ scale: 'both', nanGuard: true }) },
  'sdpa microsoft rotary': {
    ...torchscript,
    norm: 'fused',
    attention: decomposed({ scale: 'both' }),
    rotaryOp: 'microsoft',
  },
  'eager positions from the mask': { ...torchscript, attention: decomposed(), positions: 'cumsum' },
  'eager positions from the past': { ...torchscript, attention: decomposed(), positions: 'range' },
  'eager tables cut to the length': { ...torchscript, attention: decomposed(), rotaryTables: 'cut' },
  'eager tables cut, positions from the past': {
    ...torchscript,
    attention: decomposed(),
    rotaryTables: 'cut',
    positions: 'range',
  },
  'eager mrope': { ...torchscript, attention: decomposed(), positions: 'mrope', qkvBias: true },
  'eager qdq': { ...torchscript, attention: decomposed(), weights: 'qdq' },
  'eager dynamic uint8': { ...torchscript, attention: decomposed(), weights: 'dynamic-uint8' },
  'eager dynamic int8': { ...torchscript, attention: decomposed(), weights: 'dynamic-int8' },
  'eager float16': { ...torchscript, attention: decomposed(), dtype: 'float16' },
  'eager float16, float32 caches': { ...torchscript, attention: decomposed(), dtype: 'float16', io: 'all' },
  'eager mask by its length': {
    ...torchscript,
    attention: decomposed(),
    maskFrom: 'attention-mask',
    window: gemmaWindow,
  },
  'eager mask by position_ids': {
    ...torchscript,
    attention: decomposed(),
    maskFrom: 'position-ids',
    leftPadding: false,
  },
  'sdpa mha': { ...torchscript, attention: decomposed({ scale: 'both' }), kvHeads: 4 },

  // layers that are not all attention
  'hybrid conv': {
    ...builder,
    norm: 'fused',
    layers: 5,
    layerKinds: ['conv', 'attention', 'conv', 'attention', 'attention'],
    qkNorm: true,
  },
  'hybrid conv eager': {
    ...torchscript,
    attention: decomposed(),
    layers: 5,
    layerKinds: ['conv', 'attention', 'conv', 'attention', 'attention'],
    leftPadding: false,
  },
  'hybrid recurrence': {
    ...torchscript,
    attention: decomposed(),
    layers: 5,
    layerKinds: ['recurrence', 'attention', 'recurrence', 'attention', 'attention'],
    leftPadding: false,
  },

  // newer than the families above, whose weights depend on their places
  'eager type_as': { ...torchscript, attention: decomposed({ castLike: true }) },
  'eager type_as float16': {
    ...torchscript,
    attention: decomposed({ castLike: true, scale: 'both' }),
    dtype: 'float16',
  },
};

export const toyFamilies: readonly ToyFamily[] = Object.entries(table).map(([name, changes], i) => ({
  name,
  config: toyConfig({ seed: 100 + i, ...changes }),
}));

/** Families that a software GPU has the time for: each attention op, each rotation, each kind of weight once. */
export const webgpuFamilies: ReadonlySet<string> = new Set([
  'gqa',
  'gqa packed',
  'gqa gemma',
  'gqa head sink',
  'gqa rotary outside, left padding',
  'gqa mrope',
  'gqa int4',
  'mha',
  'mha past outside',
  'attention23',
  'attention23 bool mask',
  'eager',
  'sdpa',
]);

/** The family of that name. */
export function toyFamily(name: string): ToyFamily {
  const family = toyFamilies.find((candidate) => candidate.name === name);
  if (family === undefined) throw new RangeError(`no toy family ${name}`);
  return family;
}

/** Largest allowed difference of logits from the float64 reference. */
export function tolerance(config: ToyConfig, provider: Provider = 'cpu'): number {
  if (config.weights === 'dynamic-uint8' || config.weights === 'dynamic-int8') return 0.5;
  if (config.dtype !== 'float32') return 5e-2;
  if (provider === 'cpu') return 1e-4;
  // Cos and Sin of a graph are less exact on a GPU; tables of them are not
  return config.rotaryOp === 'tables' ? 5e-3 : 1e-3;
}

/**
 * Whether a provider computes the family at all. ONNX Runtime's WebGPU GroupQueryAttention ignores softcap, and a
 * software GPU has no float16.
 */
export function runsOn(config: ToyConfig, provider: Provider): boolean {
  if (provider === 'cpu') return true;
  return config.dtype === 'float32' && !(config.softcap !== 0 && config.attention.kind === 'gqa');
}

/** Whether ranks can be compared with the reference: rounding and dynamic quantisation may turn close ones round. */
export function isExact(config: ToyConfig): boolean {
  return (
    config.dtype === 'float32' && config.weights !== 'dynamic-uint8' && config.weights !== 'dynamic-int8'
  );
}

/** Values of K at which attention can rank: layer K−1 is attention. */
export function attentionCuts(config: ToyConfig): number[] {
  return Array.from({ length: config.layers - 1 }, (_, i) => i + 1).filter(
    (cut) => layerKind(config, cut - 1) === 'attention',
  );
}
