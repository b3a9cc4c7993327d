// A decoder of today: pre-norm layers of grouped attention and a gated MLP, with a KV cache. What families differ in is
// said by a DecoderSpec; llama.ts, qwen2.ts, … make one of their config.json.
//
// position_ids are an input, so rotation is outside of GroupQueryAttention, which ignores them at prefill; padding on the
// left is a bias, because the operator counts a row's keys from its left end.
import { MICROSOFT } from '../../../onnx/emit.js';
import { DataType } from '../../../onnx/tensor.js';
import type { Linear, PartGraph } from '../../part.js';
import { made, type Source } from '../../source.js';
import { addRmsNorm, rmsNorm, type Activation } from '../blocks.js';
import { blockMask, LOST } from './block-mask.js';

/** A layer's weights. */
export interface LayerWeights {
  readonly inputNorm: Source;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  /** Norms of each head of q and k, before rotation. */
  readonly qNorm?: Source;
  readonly kNorm?: Source;
  /** A norm of what attention gives, before it is added. */
  readonly postAttentionNorm?: Source;
  readonly mlpNorm: Source;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
  /** A norm of what the MLP gives, before it is added. */
  readonly postMlpNorm?: Source;
}

/** Turns q or k by the positions of its tokens: [batch, sequence, heads · head size]. */
export type Rotate = (g: PartGraph, x: string, heads: number, layer: number) => string;

/** All that a decoder is. */
export interface DecoderSpec {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly layers: number;
  readonly vocabulary: number;
  readonly epsilon: number;
  /** What scores are multiplied with. */
  readonly scale: number;
  readonly activation: Activation;
  readonly layer: (index: number) => LayerWeights;
  readonly norm: Source;
  readonly head: Source;
  /** [3, batch, sequence] for mRoPE. */
  readonly positionAxes: 2 | 3;
  /** Makes the rotation, once. */
  readonly rotation: (g: PartGraph) => Rotate;
  /** How many of the last tokens, its own included, a layer's tokens see; all where this says nothing. */
  readonly window?: (layer: number) => number | undefined;
  /**
   * Whether the tokens of one image see each other both ways: token_type_ids [batch, sequence], 1 at image tokens, are an
   * input then, and attention is MultiHeadAttention with its cache outside, because GroupQueryAttention is causal.
   */
  readonly imagesSeeThemselves?: boolean;
  /** A factor of each query by its position. */
  readonly scaleQuery?: (g: PartGraph) => (q: string) => string;
  /**
   * DeepStack (arXiv 2406.04334): so many first layers get features of the image added to what they give. They come
   * behind the embeddings, inputs_embeds being [batch, sequence, (1 + deepstack) · hidden], and are 0 at other tokens.
   */
  readonly deepstack?: number;
}

const CACHE = 'past_key_values';

/** Writes a decoder into a part. */
export function decoder(g: PartGraph, spec: DecoderSpec): void {
  const { emit } = g;
  const { hidden, layers, epsilon, deepstack = 0 } = spec;
  const frame = decoderInputs(g, spec);
  const rotate = spec.rotation(g);
  const scaleQuery = spec.scaleQuery?.(g);
  const wide = g.toFloat(frame.embeds);
  const part = (i: number): string => emit.slice(wide, emit.ints(i * hidden), emit.ints((i + 1) * hidden), 2);

  let x = deepstack === 0 ? wide : part(0);
  let norm = rmsNorm(g, x, spec.layer(0).inputNorm, epsilon);
  for (let i = 0; i < layers; i++) {
    const w = spec.layer(i);
    const attended = attention(g, spec, frame, { index: i, weights: w, x: norm, rotate, scaleQuery });
    const y =
      w.postAttentionNorm === undefined ? attended : rmsNorm(g, attended, w.postAttentionNorm, epsilon);
    [norm, x] = addRmsNorm(g, x, y, w.mlpNorm, epsilon);
    const gated = emit.op('Mul', [spec.activation(g, g.linear(norm, w.gate)), g.linear(norm, w.up)]);
    const mlp = g.linear(gated, w.down);
    let added = w.postMlpNorm === undefined ? mlp : rmsNorm(g, mlp, w.postMlpNorm, epsilon);
    if (i < deepstack) added = emit.op('Add', [added, part(i + 1)]);
    const next = i + 1 < layers ? spec.layer(i + 1).inputNorm : spec.norm;
    [norm, x] = addRmsNorm(g, x, added, next, epsilon);
  }

  // the last tokens that logits are wanted of; 0: all
  const start = emit.reshape(emit.op('Neg', ['num_logits_to_keep']), emit.ints(1));
  const last = emit.slice(norm, start, emit.ints(Number.MAX_SAFE_INTEGER), 1);
  const logits = g.toFloat32(g.linear(last, { weight: spec.head }));
  g.output('logits', logits, DataType.FLOAT, ['batch_size', 'num_logits', spec.vocabulary]);
}

/** What all layers share. */
interface Frame {
  readonly embeds: string;
  /** int32 [batch]: a row's keys, less one. */
  readonly lengths: string;
  /** int32 scalar. */
  readonly total: string;
  /** [batch, 1, sequence, total]: hides padding, and where attention is not causal itself the future. */
  readonly bias: (layer: number) => string;
}

function decoderInputs(g: PartGraph, spec: DecoderSpec): Frame {
  const { emit } = g;
  const { hidden, kvHeads, positionAxes, deepstack = 0 } = spec;
  const cached = spec.imagesSeeThemselves === true ? spec.headSize : paddedHead(spec);
  const tokens = ['batch_size', 'sequence_length'];
  const embeds = g.input('inputs_embeds', DataType.FLOAT, [...tokens, hidden * (1 + deepstack)]);
  const mask = g.input('attention_mask', DataType.INT64, ['batch_size', 'total_sequence_length']);
  g.input('position_ids', DataType.INT64, positionAxes === 3 ? [3, ...tokens] : tokens);
  g.input('num_logits_to_keep', DataType.INT64, []);
  for (let i = 0; i < spec.layers; i++) {
    for (const kind of ['key', 'value']) {
      g.input(`${CACHE}.${i}.${kind}`, g.float, ['batch_size', kvHeads, 'past_sequence_length', cached]);
      g.declareOutput(`present.${i}.${kind}`, g.float, [
        'batch_size',
        kvHeads,
        'total_sequence_length',
        cached,
      ]);
    }
  }
  const [batch, sequence] = [emit.dim1(embeds, 0), emit.dim1(embeds, 1)];
  const length = emit.dim1(mask, 1);
  const lost = emit.op('Sub', [g.scalar(1), emit.cast(mask, g.float)]);
  const row = emit.unsqueeze(emit.op('Mul', [lost, g.scalar(LOST)]), 1, 2);
  return {
    embeds,
    lengths: emit.cast(emit.op('Expand', [emit.op('Sub', [length, emit.ints(1)]), batch]), DataType.INT32),
    total: emit.cast(emit.dim(mask, 1), DataType.INT32),
    bias:
      spec.imagesSeeThemselves === true
        ? blockMask(g, (layer) => spec.window?.(layer))
        : () => emit.op('Expand', [row, emit.concat([batch, emit.ints(1), sequence, length], 0)]),
  };
}

interface Attention {
  readonly index: number;
  readonly weights: LayerWeights;
  readonly x: string;
  readonly rotate: Rotate;
  readonly scaleQuery: ((q: string) => string) | undefined;
}

function attention(
  g: PartGraph,
  spec: DecoderSpec,
  frame: Frame,
  { index, weights, x, rotate, scaleQuery }: Attention,
): string {
  const { heads, kvHeads } = spec;
  const head = (linear: Linear, norm: Source | undefined, count: number): string => {
    const y = g.linear(x, linear);
    return rotate(g, norm === undefined ? y : headNorm(g, spec, y, norm, count), count, index);
  };
  const pad = (y: string, count: number): string => padHeads(g, spec, y, count);
  const q = head(weights.q, weights.qNorm, heads);
  const k = head(weights.k, weights.kNorm, kvHeads);
  const v = g.linear(x, weights.v);
  const past = ['key', 'value'].map((kind) => `${CACHE}.${index}.${kind}`);
  const query = scaleQuery === undefined ? q : scaleQuery(q);
  const inputs = [
    pad(query, heads),
    pad(k, kvHeads),
    pad(v, kvHeads),
    ...past,
    frame.lengths,
    frame.total,
    '',
    '',
    '',
    frame.bias(index),
  ];
  if (spec.imagesSeeThemselves === true) {
    const bias = frame.bias(index);
    return g.linear(openAttention(g, spec, { index, query, k, v, bias }), weights.o);
  }
  const window = spec.window?.(index);
  const [attended = ''] = g.emit.ops('GroupQueryAttention', inputs, {
    domain: MICROSOFT,
    attributes: {
      num_heads: BigInt(heads),
      kv_num_heads: BigInt(kvHeads),
      scale: spec.scale,
      ...(window === undefined ? {} : { local_window_size: BigInt(window) }),
    },
    outputs: 3,
  });
  const node = g.emit.nodes.at(-1);
  if (node !== undefined) node.output = [attended, `present.${index}.key`, `present.${index}.value`];
  return g.linear(unpadHeads(g, spec, attended), weights.o);
}

/** Attention that a bias alone restricts, with the cache outside: [batch, sequence, heads · head size]. */
function openAttention(
  g: PartGraph,
  { heads, kvHeads, headSize, scale }: DecoderSpec,
  {
    index,
    query,
    k,
    v,
    bias,
  }: {
    readonly index: number;
    readonly query: string;
    readonly k: string;
    readonly v: string;
    readonly bias: string;
  },
): string {
  const { emit } = g;
  const [key, value] = ([['key', k], ['value', v]] as const).map(([kind, x]) => {
    const apart = emit.transpose(emit.reshape(x, emit.ints(0, 0, kvHeads, headSize)), 0, 2, 1, 3);
    const present = emit.op('Concat', [`${CACHE}.${index}.${kind}`, apart], {
      attributes: { axis: 2n },
      output: `present.${index}.${kind}`,
    });
    if (kvHeads === heads) return present;
    // each head of keys as often as queries share it
    const group = emit.unsqueeze(present, 2);
    const [batch, total] = [emit.dim1(present, 0), emit.dim1(present, 2)];
    const shape = emit.concat([batch, emit.ints(kvHeads, heads / kvHeads), total, emit.ints(headSize)], 0);
    return emit.reshape(emit.op('Expand', [group, shape]), emit.ints(0, heads, -1, headSize));
  }); // prettier-ignore
  return emit.op('MultiHeadAttention', [query, key ?? '', value ?? '', '', '', bias], {
    domain: MICROSOFT,
    attributes: { num_heads: BigInt(heads), scale },
  });
}

/** GroupQueryAttention takes heads of multiples of 8: others are filled up with zeros, which change no product. */
function paddedHead({ headSize }: DecoderSpec): number {
  return Math.ceil(headSize / 8) * 8;
}

function padHeads(g: PartGraph, spec: DecoderSpec, x: string, heads: number): string {
  const { emit } = g;
  const [size, padded] = [spec.headSize, paddedHead(spec)];
  if (size === padded) return x;
  const places = Array.from({ length: padded }, (_, i) => i);
  const apart = emit.reshape(x, emit.ints(0, 0, heads, size));
  const longer = emit.gather(apart, emit.ints(...places.map((i) => (i < size ? i : 0))), 3);
  const real = made(
    'attention/heads',
    [padded],
    Float32Array.from(places, (i) => (i < size ? 1 : 0)),
  );
  return emit.reshape(emit.op('Mul', [longer, g.weight(real)]), emit.ints(0, 0, heads * padded));
}

function unpadHeads(g: PartGraph, spec: DecoderSpec, x: string): string {
  const { emit } = g;
  const [size, padded] = [spec.headSize, paddedHead(spec)];
  if (size === padded) return x;
  const apart = emit.reshape(x, emit.ints(0, 0, spec.heads, padded));
  const cut = emit.slice(apart, emit.ints(0), emit.ints(size), 3);
  return emit.reshape(cut, emit.ints(0, 0, spec.heads * size));
}

/** RMS norm of every head: [batch, sequence, heads · head size]. */
function headNorm(
  g: PartGraph,
  { headSize, epsilon }: DecoderSpec,
  x: string,
  weight: Source,
  heads: number,
): string {
  const { emit } = g;
  const apart = emit.reshape(x, emit.ints(0, 0, heads, headSize));
  return emit.reshape(rmsNorm(g, apart, weight, epsilon), emit.ints(0, 0, heads * headSize));
}
