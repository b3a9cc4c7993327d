// Last-token tail: after the last layer's attention only the tokens whose logits are used go on.
//
// Generation uses the last token's logits alone. What comes after the last layer's attention (output projection, MLP,
// norm, LM head) treats every token by itself, so the other tokens may leave there. Rules:
// 1. every activation that enters this tail (the attention's result, the residual stream) is sliced to its last token;
// 2. where the decoder has an input num_logits_to_keep, to that many; 0 there means all, as in the exports;
// 3. a tail with an op that is not known to treat tokens alike is left alone.
//
// Exact: each remaining token meets the same operations. Only where activations are quantised dynamically (int8) their
// scale comes from fewer tokens then, which makes it finer. `logits` has one token, or num_logits_to_keep of them.
import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ValueInfoProtoSchema, type NodeProto, type ValueInfoProto } from 'onnx-buf';
import {
  allNames,
  Emitter,
  GraphView,
  topologicalOrder,
  renameInputs,
  type OnnxModel,
} from '../onnx/index.js';
import { EMBEDS } from '../decoder/contract.js';
import { recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { dependents } from '../decoder/dependence.js';
import { SequenceAxes } from '../decoder/sequence-axis.js';

export const NUM_LOGITS_TO_KEEP = 'num_logits_to_keep';

/** What {@link lastTokenTail} did. */
export interface Tail {
  readonly model: OnnxModel;
  readonly changed: boolean;
  /** Whether `logits` has the shape and, to rounding, the values that it had. */
  readonly exact: boolean;
}

/**
 * Cuts the tail of a decoder down to its last token.
 * @returns the model and whether it changed; the given one stays as it was
 * @throws {FastvError} `unsupported-decoder` if it is no decoder
 */
export function lastTokenTail(model: OnnxModel): Tail {
  const decoder = recogniseDecoder(model);
  const { graph } = decoder;
  const last = decoder.layers.at(-1)?.attention;
  if (last === undefined) return { model, changed: false, exact: true };
  const start = behindReshape(graph, last.output);
  const tail = dependents(graph, [start]);
  if (!tail.tensors.has('logits')) return { model, changed: false, exact: true };
  const entering = enteringTail(decoder, start, tail.nodes);
  if (entering === undefined) return { model, changed: false, exact: true };

  const emit = new Emitter(decoder.opset, allNames(model.graph));
  const keep = graph.inputs.has(NUM_LOGITS_TO_KEEP)
    ? emit.reshape(emit.op('Neg', [NUM_LOGITS_TO_KEEP]), emit.ints(1))
    : emit.ints(-1);
  const sliced = new Map(
    [...entering].map((tensor) => [tensor, emit.slice(tensor, keep, emit.ints(Number.MAX_SAFE_INTEGER), 1)]),
  );
  const nodes = graph.nodes.map((node) =>
    tail.nodes.has(node) ? renameInputs(node, (tensor) => sliced.get(tensor) ?? tensor) : node,
  );
  const result = Object.assign(create(GraphProtoSchema), model.graph, {
    node: topologicalOrder([...nodes, ...emit.nodes], (node) => [...node.input, ...GraphView.captures(node)]),
    initializer: [...model.graph.initializer, ...emit.initializers],
    output: model.graph.output.map((info) => (info.name === 'logits' ? withAxis(info) : info)),
    valueInfo: model.graph.valueInfo.filter(({ name }) => !tail.tensors.has(name)),
  });
  const dynamic = [...tail.nodes].some(({ opType }) => opType.startsWith('DynamicQuantize'));
  const exact = graph.inputs.has(NUM_LOGITS_TO_KEEP) && !dynamic;
  return { model: { ...model, graph: result }, changed: true, exact };
}

/** The attention's result once heads are merged: the Reshape that does it may ask for the whole sequence. */
function behindReshape(graph: GraphView, attention: string): string {
  const [next, ...others] = graph.consumers(attention);
  return next?.opType === 'Reshape' && others.length === 0 ? (next.output[0] ?? attention) : attention;
}

/** The activations that the tail takes from before it; undefined if it does not treat every token by itself. */
function enteringTail(
  { graph, layers, tokenInputs }: Decoder,
  attention: string,
  tail: ReadonlySet<NodeProto>,
): ReadonlySet<string> | undefined {
  const sources = [EMBEDS, ...tokenInputs];
  const activations = dependents(graph, sources).tensors;
  const outputs = layers.flatMap((layer) => (layer.attention === undefined ? [] : [layer.attention.output]));
  const axes = new SequenceAxes(graph, activations, [...sources, ...outputs]);
  const entering = new Set<string>();
  /** What comes out of the decoder's own slice: the tokens whose logits it gives. */
  const sliced = new Set<string>();
  for (const node of graph.nodes) {
    if (!tail.has(node)) continue;
    // any other Reshape may ask for the whole sequence too, unless its shape is a constant
    if (node.opType === 'Reshape' && graph.constantInts(node.input[1] ?? '') === undefined) return undefined;
    const from = graph.inputsOf(node).filter((input) => activations.has(input));
    const behindSlice = from.every((input) => sliced.has(input)) && AFTER_SLICE.has(node.opType);
    if (behindSlice || slicesLastTokens(graph, node)) {
      for (const output of node.output) sliced.add(output);
    } else if (!node.output.every((output) => output === '' || isKnown(axes, output))) {
      return undefined;
    }
    for (const input of from) {
      const producer = graph.producer(input);
      if (input !== attention && producer !== undefined && tail.has(producer)) continue;
      if (!isKnown(axes, input) || axes.of(input) !== 1) return undefined;
      entering.add(input);
    }
  }
  return entering;
}

/** Ops that may follow the decoder's own slice: an LM head, with soft-capped logits or without. */
const AFTER_SLICE = new Set(
  (
    'Add Cast Div DynamicQuantizeLinear DynamicQuantizeMatMul FusedMatMul Identity MatMul MatMulBnb4 MatMulInteger ' +
    'MatMulIntegerToFloat MatMulNBits Mul SimplifiedLayerNormalization LayerNormalization RMSNormalization Tanh'
  ).split(' '),
);

/** Ops that hand a number on, or change its sign. */
const NUMBER = new Set(['Neg', 'Unsqueeze', 'Squeeze', 'Reshape', 'Cast', 'Identity']);

/** Whether a node is x[:, -1:] or x[:, -num_logits_to_keep:], which mean the same on what such a slice leaves. */
function slicesLastTokens(graph: GraphView, node: NodeProto): boolean {
  if (node.opType !== 'Slice') return false;
  const [, starts = '', ends = '', axes = ''] = node.input;
  const end = graph.constantInts(ends)?.[0] ?? 0;
  if (graph.constantInts(axes)?.join() !== '1' || end < 2 ** 31 - 1) return false;
  if (graph.constantInts(starts)?.join() === '-1') return true;
  let from = starts;
  let sign = 1;
  for (let producer = graph.producer(from); producer !== undefined; producer = graph.producer(from)) {
    if (!NUMBER.has(producer.opType)) return false;
    if (producer.opType === 'Neg') sign = -sign;
    from = producer.input[0] ?? '';
  }
  return from === NUM_LOGITS_TO_KEEP && sign === -1;
}

function isKnown(axes: SequenceAxes, tensor: string): boolean {
  try {
    axes.of(tensor);
    return true;
  } catch {
    return false;
  }
}

/** `logits` with a name of its own for the axis that the slice made shorter. */
function withAxis(info: ValueInfoProto): ValueInfoProto {
  const type = info.type?.value;
  if (type?.case !== 'tensorType') return info;
  const dim = (type.value.shape?.dim ?? []).map(({ value }, axis) =>
    axis === 1 ? { value: { case: 'dimParam' as const, value: 'logits_to_keep' } } : { value },
  );
  return create(ValueInfoProtoSchema, {
    name: info.name,
    docString: info.docString,
    type: { value: { case: 'tensorType', value: { elemType: type.value.elemType, shape: { dim } } } },
  });
}
