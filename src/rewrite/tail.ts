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
import { EMBEDS } from '../decoder/contract.js';
import { recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { dependents } from '../decoder/dependence.js';
import { sequenceAxes } from '../decoder/token-flow.js';
import {
  allNames,
  editModel,
  Emitter,
  input,
  isOperator,
  renameAxes,
  renameInputs,
  type GraphView,
  type NodeProto,
  type OnnxModel,
  type Pass,
  type ValueInfoProto,
} from '../onnx/index.js';

export const NUM_LOGITS_TO_KEEP = 'num_logits_to_keep';

/** What {@link lastTokenTail} did. */
export interface Tail {
  /** Whether `logits` has the shape and, to rounding, the values that it had. */
  readonly exact: boolean;
}

/**
 * Cuts the tail of a decoder down to its last token.
 * @returns the model and whether it changed; the given one stays as it was
 * @throws {FastvError} `unsupported-decoder` if it is no decoder
 * @example
 * const { model, report } = lastTokenTail(decodeModel(bytes));
 * if (report.exact) console.log('the same logits for the last token');
 */
export function lastTokenTail(model: OnnxModel): Pass<Tail> {
  const unchanged = { model, changed: false, report: { exact: true } };
  const decoder = recogniseDecoder(model);
  const { graph } = decoder;
  const last = decoder.layers.at(-1)?.attention;
  if (last === undefined) return unchanged;
  const start = behindReshape(graph, last.output);
  const tail = dependents(graph, [start]);
  if (!tail.tensors.has('logits')) return unchanged;
  const entering = enteringTail(decoder, start, tail.nodes);
  // Nothing enters where it is cut down already.
  if (entering === undefined || entering.size === 0) return unchanged;

  const emit = new Emitter(decoder.opset, allNames(model.graph));
  const keep = graph.inputs.has(NUM_LOGITS_TO_KEEP)
    ? emit.reshape(emit.op('Neg', [NUM_LOGITS_TO_KEEP]), emit.ints(1))
    : emit.ints(-1);
  const sliced = new Map(
    [...entering].map((tensor) => [tensor, emit.slice(tensor, keep, emit.ints(Number.MAX_SAFE_INTEGER), 1)]),
  );
  const replace = new Map(
    [...tail.nodes].map((node) => [node, renameInputs(node, (tensor) => sliced.get(tensor) ?? tensor)]),
  );
  const logits = graph.outputs.get('logits');
  const outputs = logits === undefined ? [] : [withAxis(logits)];
  const dynamic = [...tail.nodes].some(({ opType }) => opType.startsWith('DynamicQuantize'));
  const exact = graph.inputs.has(NUM_LOGITS_TO_KEEP) && !dynamic;
  return { model: editModel(model, { replace, emit, outputs }), changed: true, report: { exact } };
}

/** The attention's result once heads are merged: the Reshape that does it may ask for the whole sequence. */
function behindReshape(graph: GraphView, attention: string): string {
  const [next, ...others] = graph.consumers(attention);
  return next?.opType === 'Reshape' && others.length === 0 ? (next.output[0] ?? attention) : attention;
}

/** The activations that the tail takes from before it; undefined if it does not treat every token by itself. */
function enteringTail(
  decoder: Decoder,
  attention: string,
  tail: ReadonlySet<NodeProto>,
): ReadonlySet<string> | undefined {
  const { graph } = decoder;
  const activations = dependents(graph, [EMBEDS, ...decoder.tokenInputs]).tensors;
  // What comes out of the decoder's own slice is the tokens whose logits it gives.
  const axes = sequenceAxes(decoder, activations, (node) => slicesLastTokens(graph, node));
  const entering = new Set<string>();
  for (const node of graph.nodes) {
    if (!tail.has(node)) continue;
    // any other Reshape may ask for the whole sequence too, unless its shape is a constant
    if (isOperator(node, 'Reshape') && graph.constantInts(input(node, 'shape')) === undefined)
      return undefined;
    if (!node.output.every((output) => output === '' || axes.knows(output))) return undefined;
    for (const tensor of graph.inputsOf(node)) {
      if (!activations.has(tensor)) continue;
      const producer = graph.producer(tensor);
      if (tensor !== attention && producer !== undefined && tail.has(producer)) continue;
      if (!axes.knows(tensor) || axes.of(tensor) !== 1) return undefined;
      // What is cut down already needs no slice.
      const sliced = [node, producer].some((n) => n !== undefined && slicesLastTokens(graph, n));
      if (!sliced) entering.add(tensor);
    }
  }
  return entering;
}

/** Ops that hand a number on, or change its sign. */
const NUMBER = new Set(['Neg', 'Unsqueeze', 'Squeeze', 'Reshape', 'Cast', 'Identity']);

/** Whether a node is x[:, -1:] or x[:, -num_logits_to_keep:], which mean the same on what such a slice leaves. */
function slicesLastTokens(graph: GraphView, node: NodeProto): boolean {
  if (!isOperator(node, 'Slice')) return false;
  const end = graph.constantInts(input(node, 'ends'))?.[0] ?? 0;
  if (graph.constantInts(input(node, 'axes'))?.join() !== '1' || end < 2 ** 31 - 1) return false;
  const starts = input(node, 'starts');
  if (graph.constantInts(starts)?.join() === '-1') return true;
  let minus = false;
  const from = graph.upstream(starts, ({ opType }) => {
    if (opType === 'Neg') minus = !minus;
    return NUMBER.has(opType);
  });
  return from === NUM_LOGITS_TO_KEEP && minus;
}

/** `logits` with a name of its own for the axis that the slice made shorter. */
function withAxis(info: ValueInfoProto): ValueInfoProto {
  return renameAxes(info, (name, axis) => (axis === 1 ? 'logits_to_keep' : name));
}
