// Reads a decoder's shape from its graph: from the sizes of its linear layers and the names of its caches.
//
// Between the values that layer i caches and those of layer i+1, linear layers stand in a chain: the output
// projection, then the MLP's first matrices (gate and up, apart or packed), then its last, then the next layer's
// projections or the LM head. So a layer's matrices are known by how many of them lie before them in the chain;
// names don't matter, nor the form in which the weights are kept.
//
// Limits: attention and MLP one after the other (not side by side as in GPT-J), every layer an attention layer of
// the same shape, no mixture of experts. Anything else is refused.
import type { NodeProto } from '../onnx/index.js';
import { FastvError } from '../errors.js';
import { intAttribute } from '../onnx/attributes.js';
import { GraphView, label } from '../onnx/graph.js';
import type { OnnxModel } from '../onnx/read.js';
import { DataType } from '../onnx/tensor.js';
import { linearLayers, type LinearLayer } from '../decoder/linear.js';
import type { DecoderShape } from './shape.js';

/**
 * The shape of a decoder.
 * @param model a decoder with inputs `past_key_values.i.{key,value}` and an output `logits`
 * @throws {FastvError} `unsupported-decoder` if it has no such caches, or layers that can't be told apart
 * @example
 * const shape = shapeOfDecoder(decodeModel(await readFile('decoder_model_merged.onnx')));
 */
export function shapeOfDecoder(model: OnnxModel): DecoderShape {
  const view = new GraphView(model.graph);
  const caches = [...view.inputs.keys()]
    .flatMap((name) => /^past_key_values\.(\d+)\.value$/u.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  if (caches.length === 0 || !view.outputs.has('logits')) {
    throw refusal('it has no past_key_values.i.value inputs and logits output', {
      hint: 'Give the decoder of the model (decoder_model_merged.onnx), not its vision encoder or embedding.',
    });
  }
  if (caches.some((index, layer) => index !== layer)) {
    throw refusal('not every layer has a key/value cache', { where: `layer ${firstGap(caches)}` });
  }

  const linears = new Map(linearLayers(view).map((linear) => [linear.node, linear]));
  const reached = caches.map((layer) => descendants(view, `past_key_values.${layer}.value`));
  const layers = caches.map((layer) => layerOf(view, linears, reached, layer));
  const [first] = layers;
  if (first === undefined) throw refusal('it has no layers');
  for (const [layer, shape] of layers.entries()) {
    if (shape.key !== first.key) {
      throw refusal(`layer ${layer} has ${shape.key}, layer 0 ${first.key}`, { where: `layer ${layer}` });
    }
  }
  const vocab = layers.at(-1)?.next.at(-1)?.outFeatures;
  if (vocab === undefined) throw refusal('no LM head is found before logits', { where: 'logits' });
  const windows = layers.map(({ window }) => window);
  return {
    layers: layers.length,
    hidden: first.hidden,
    heads: first.heads,
    kvHeads: first.kvHeads,
    headDim: first.headDim,
    mlp: first.mlp,
    mlpMatrices: first.mlpMatrices,
    vocab,
    ...(windows.every((window) => window === null) ? {} : { slidingWindow: windows }),
    kvBytesPerElement: first.bytes,
  };
}

/** Bytes of a cache element by type; 16-bit floats are the rest. */
const CACHE_BYTES: Partial<Record<number, number>> = {
  [DataType.FLOAT]: 4,
  [DataType.INT8]: 1,
  [DataType.UINT8]: 1,
};

/** ONNX Runtime's operators for mixtures of experts. */
const EXPERTS: ReadonlySet<string> = new Set(['MoE', 'QMoE']);

interface LayerShape {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly mlp: number;
  readonly mlpMatrices: 2 | 3;
  readonly window: number | null;
  readonly bytes: number;
  /** The linear layers behind the MLP: the next layer's projections, or the LM head. */
  readonly next: readonly LinearLayer[];
  /** What must be the same in every layer, in words. */
  readonly key: string;
}

function layerOf(
  view: GraphView,
  linears: ReadonlyMap<NodeProto, LinearLayer>,
  reached: readonly ReadonlySet<NodeProto>[],
  layer: number,
): LayerShape {
  const where = `layer ${layer}`;
  const experts = view.nodes.find(
    (node) =>
      EXPERTS.has(node.opType) &&
      reached[layer]?.has(node) === true &&
      reached[layer + 1]?.has(node) !== true,
  );
  if (experts !== undefined) {
    throw refusal(
      `${where} is a mixture of experts, ${label(experts)}, whose work differs from token to token`,
      {
        where,
      },
    );
  }
  const [outputs = [], ups = [], downs = [], next = []] = chain(
    view,
    linears,
    reached[layer],
    reached[layer + 1],
  );
  const [output] = outputs;
  const [down] = downs;
  if (output === undefined || down === undefined || outputs.length > 1 || downs.length > 1) {
    throw refusal(
      `${where} should have one output projection, then one or two MLP matrices, then one more; ` +
        `after its attention are ${[outputs, ups, downs].map((linear) => linear.length).join(', ')}`,
      { where },
    );
  }
  const hidden = output.outFeatures;
  const mlp = down.inFeatures;
  const width = ups.reduce((sum, linear) => sum + linear.outFeatures, 0);
  if (down.outFeatures !== hidden || (width !== mlp && width !== 2 * mlp)) {
    throw refusal(`${where} has an MLP of ${width} and ${mlp}: neither plain nor gated`, { where });
  }

  const key = `past_key_values.${layer}.key`;
  const cache = view.inputs.get(key)?.type?.value;
  const dims = cache?.case === 'tensorType' ? (cache.value.shape?.dim ?? []) : [];
  const type = cache?.case === 'tensorType' ? cache.value.elemType : DataType.UNDEFINED;
  const [kvHeads, headDim] = [dims[1], dims[3]].map((dim) =>
    dim?.value.case === 'dimValue' ? Number(dim.value.value) : undefined,
  );
  const attention = view.consumers(key).find((node) => intAttribute(node, 'num_heads', 0) > 0);
  const numHeads = attention === undefined ? undefined : intAttribute(attention, 'num_heads', 0);
  const size = headDim ?? (numHeads === undefined ? undefined : output.inFeatures / numHeads);
  if (kvHeads === undefined || size === undefined || !Number.isInteger(output.inFeatures / size)) {
    throw refusal(`the head size of ${where} can't be told: ${key} has no fixed shape`, { where: key });
  }
  const window = attention === undefined ? -1 : intAttribute(attention, 'local_window_size', -1);
  const shape = {
    hidden,
    heads: output.inFeatures / size,
    kvHeads,
    headDim: size,
    mlp,
    mlpMatrices: width === mlp ? 2 : 3,
    window: window > 0 ? window : null,
    bytes: CACHE_BYTES[type] ?? 2,
    next,
  } as const;
  const { heads, mlpMatrices } = shape;
  return {
    ...shape,
    key: `width ${hidden}, ${heads} heads over ${kvHeads} of ${size}, MLP ${mlpMatrices}×${mlp}`,
  };
}

/** The linear layers that depend on this layer's cache and not on the next one's, by their depth in the chain. */
function chain(
  view: GraphView,
  linears: ReadonlyMap<NodeProto, LinearLayer>,
  own: ReadonlySet<NodeProto> = new Set(),
  following: ReadonlySet<NodeProto> = new Set(),
): LinearLayer[][] {
  const depth = new Map<string, number>();
  const levels: LinearLayer[][] = [];
  for (const node of view.nodes) {
    if (!own.has(node) || following.has(node)) continue;
    let level = Math.max(0, ...view.inputsOf(node).map((input) => depth.get(input) ?? 0));
    const linear = linears.get(node);
    if (linear !== undefined) {
      (levels[level] ??= []).push(linear);
      level++;
    }
    for (const output of node.output) depth.set(output, level);
  }
  return levels;
}

/** The nodes that depend on a tensor. */
function descendants(view: GraphView, tensor: string): Set<NodeProto> {
  const found = new Set<NodeProto>();
  const stack = [tensor];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    for (const node of view.consumers(name)) {
      if (found.has(node)) continue;
      found.add(node);
      for (const output of node.output) if (output !== '') stack.push(output);
    }
  }
  return found;
}

function firstGap(sorted: readonly number[]): number {
  return sorted.findIndex((index, place) => index !== place);
}

function refusal(what: string, details: { where?: string; hint?: string } = {}): FastvError {
  return new FastvError('unsupported-decoder', `the decoder's shape can't be read: ${what}`, details);
}
