// Which tensors are activations (they depend on the *values* of inputs_embeds) and which belong to the prologue (masks,
// lengths, positions, rotary tables: they depend on shapes and on the other inputs only).
import {
  DataType,
  elementType,
  input,
  isOperator,
  type GraphView,
  type NodeProto,
  type OperatorNode,
} from '../onnx/index.js';
import { POSITION_IDS } from './contract.js';

/** Ops whose result does not depend on the values of their input. */
export const SHAPE_ONLY = new Set(['Shape', 'Size']);

/**
 * The nodes whose results depend on the values of the given tensors.
 * @returns the nodes and the tensors, the given ones included
 */
export function dependents(
  graph: GraphView,
  sources: Iterable<string>,
): { nodes: ReadonlySet<NodeProto>; tensors: ReadonlySet<string> } {
  const tensors = new Set(sources);
  const nodes = new Set<NodeProto>();
  for (const node of graph.nodes) {
    if (SHAPE_ONLY.has(node.opType) || !graph.inputsOf(node).some((name) => tensors.has(name))) continue;
    nodes.add(node);
    for (const output of node.output) if (output !== '') tensors.add(output);
  }
  return { nodes, tensors };
}

/**
 * The prologue nodes that tensors are made of, in no order.
 * @param stop tells where the walk ends: at activations, and at what is known already
 */
export function prologueOf(
  graph: GraphView,
  tensors: readonly string[],
  stop: (tensor: string) => boolean,
): ReadonlySet<NodeProto> {
  const found = new Set<NodeProto>();
  const stack = [...tensors];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = graph.producer(name);
    if (node === undefined || found.has(node) || stop(name)) continue;
    found.add(node);
    for (const input of graph.inputsOf(node)) stack.push(input);
  }
  return found;
}

/** The prologue tensors that `starts` gives, and all that are made of them. */
export function prologueTensors(
  graph: GraphView,
  activations: ReadonlySet<string>,
  starts: (node: NodeProto) => boolean,
): ReadonlySet<string> {
  const tensors = new Set<string>();
  for (const node of graph.nodes) {
    if (!starts(node) && !graph.inputsOf(node).some((name) => tensors.has(name))) continue;
    for (const output of node.output) if (output !== '' && !activations.has(output)) tensors.add(output);
  }
  return tensors;
}

/**
 * The prologue tensors that carry what is computed from the tokens' own positions, rather than a mask or a length: cos,
 * sin, or rows of a table of them, and what position_ids become by arithmetic (scales that grow with the position).
 */
export function rotaryTensors(graph: GraphView, activations: ReadonlySet<string>): ReadonlySet<string> {
  const numbers = graph.inputs.has(POSITION_IDS)
    ? numbersFrom(graph, (node) => graph.inputsOf(node).includes(POSITION_IDS))
    : new Set<string>();
  return prologueTensors(
    graph,
    activations,
    (node) =>
      node.opType === 'Cos' ||
      node.opType === 'Sin' ||
      looksUpFloats(graph, node) ||
      node.output.some((name) => numbers.has(name) && isFloat(graph, name)),
  );
}

const FLOATS: ReadonlySet<DataType> = new Set([
  DataType.FLOAT,
  DataType.FLOAT16,
  DataType.BFLOAT16,
  DataType.DOUBLE,
]);

/** Whether a tensor is known to hold floats. */
export function isFloat(graph: GraphView, tensor: string): boolean {
  const type = elementType(graph, tensor);
  return type !== undefined && FLOATS.has(type);
}

/** Ops after which something is no longer the number that it was: yes or no, or a cosine. */
const NO_NUMBER = new Set(
  'Equal Greater GreaterOrEqual Less LessOrEqual And Or Not Xor IsNaN Cos Sin Shape Size'.split(' '),
);

/** Whatever is computed from the results of some nodes by arithmetic, activations included: no masks, no cosines. */
export function numbersFrom(graph: GraphView, starts: (node: NodeProto) => boolean): ReadonlySet<string> {
  const numbers = new Set<string>();
  for (const node of graph.nodes) {
    if (NO_NUMBER.has(node.opType) || looksUpFloats(graph, node)) continue;
    if (!starts(node) && !graph.inputsOf(node).some((name) => numbers.has(name))) continue;
    for (const output of node.output) if (output !== '') numbers.add(output);
  }
  return numbers;
}

/**
 * Whether a Gather reads rows of a constant table of floats, as exports with cos/sin caches do: [positions, head size / 2],
 * or of its beginning, which older exports cut to the length of the sequence so far.
 */
export function looksUpFloats(graph: GraphView, gather: NodeProto): gather is OperatorNode<'Gather'> {
  if (!isOperator(gather, 'Gather')) return false;
  const table = graph.initializers.get(
    graph.upstream(input(gather, 'data'), (node) => keepsRows(graph, node)),
  );
  if (table === undefined) return false;
  const { dims, dataType } = table;
  const axes = dims.length > 2 ? dims.filter((size) => size !== 1n).length : dims.length;
  // FLOAT, FLOAT16, DOUBLE, BFLOAT16
  return [1, 10, 11, 16].includes(dataType) && axes === 2;
}

/** Whether rows of a table keep their numbers in a node's result. */
function keepsRows(graph: GraphView, node: NodeProto): boolean {
  if (isOperator(node, 'Slice'))
    return graph.constantInts(input(node, 'starts'))?.every((n) => n === 0) === true;
  return ['Identity', 'Cast', 'Squeeze'].includes(node.opType);
}
