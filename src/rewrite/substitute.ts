// The same tensor made of other things: copies of the nodes between it and what changes, and of no others.
import { SHAPE_ONLY } from '../decoder/dependence.js';
import { firstInput, intAttribute, type Emitter, type GraphView, type NodeProto } from '../onnx/index.js';

/** What changes. */
export interface Changes {
  /** What stands in a tensor's place: itself, to leave it as it is; undefined, to look at what it is made of. */
  readonly leaf: (tensor: string) => string | undefined;
  /** The same for what a Shape or Size node gives. */
  readonly shapeOf: (node: NodeProto, source: string) => string | undefined;
}

/** A function that gives tensors of a graph with some changes; each is made once. */
export function substitution(
  graph: GraphView,
  emit: Emitter,
  { leaf, shapeOf }: Changes,
): (tensor: string) => string {
  const known = new Map<string, string>();

  const isKnown = (tensor: string): boolean => {
    if (known.has(tensor)) return true;
    const node = graph.producer(tensor);
    const changed =
      node !== undefined && SHAPE_ONLY.has(node.opType) ? shapeOf(node, firstInput(node)) : leaf(tensor);
    if (changed !== undefined) known.set(tensor, changed);
    else if (node === undefined) known.set(tensor, tensor);
    return known.has(tensor);
  };

  return (tensor) => {
    const between = new Set<NodeProto>();
    const stack = [tensor];
    for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
      if (isKnown(name)) continue;
      const node = graph.producer(name);
      if (node === undefined || between.has(node)) continue;
      between.add(node);
      for (const input of graph.inputsOf(node)) stack.push(input);
    }
    const rename = (name: string): string => known.get(name) ?? name;
    for (const node of graph.inOrder(between)) {
      const changed = graph.inputsOf(node).some((name) => rename(name) !== name);
      const copies = changed ? emit.copy(node, rename) : new Map<string, string>();
      for (const name of node.output) if (name !== '') known.set(name, copies.get(name) ?? name);
    }
    return rename(tensor);
  };
}

/** The entries of a shape that a Shape node with `start` and `end` gives. */
export function partOfShape(emit: Emitter, node: NodeProto, shape: string): string {
  const from = intAttribute(node, 'start', 0);
  const to = intAttribute(node, 'end', Number.MAX_SAFE_INTEGER);
  if (from === 0 && to === Number.MAX_SAFE_INTEGER) return shape;
  return emit.slice(shape, emit.ints(from), emit.ints(to), 0);
}
