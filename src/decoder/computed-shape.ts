// What the entries of a computed shape count: the batch, the tokens, or another axis of some tensor. Exporters compute
// the shape that a Reshape or Expand asks for from those of other tensors, by Shape, Gather, Slice and Concat.
import {
  firstInput,
  input,
  intAttribute,
  isOperator,
  rankOf,
  type GraphView,
  type NodeProto,
} from '../onnx/index.js';
import { EMBEDS } from './contract.js';
import { Unclear, type Placed } from './token-axis.js';

/** An entry of a shape: a number, what it counts (`rows`: batch · sequence), or undefined where that is unclear. */
export type ShapeEntry =
  number | 'batch' | 'tokens' | 'rows' | { readonly tensor: string; readonly axis: number } | undefined;

/** No tensor has more axes. */
const MAX_ENTRIES = 16;

/** Hand numbers on. */
const PASSING = new Set('Unsqueeze Squeeze Reshape Cast Identity'.split(' '));

/** Give something as wide as their first activation, for finding a width. */
const SAME_WIDTH = new Set('Add Mul Relu Identity Cast Sub Div'.split(' '));

/** The shapes that a graph computes; nodes are added in topological order. */
export class ComputedShapes {
  readonly #graph: GraphView;
  readonly #placed: (tensor: string) => Placed | undefined;
  readonly #isKeyOrValue: (tensor: string) => boolean;
  readonly #entries = new Map<string, readonly ShapeEntry[]>();

  constructor(
    graph: GraphView,
    placed: (tensor: string) => Placed | undefined,
    isKeyOrValue: (tensor: string) => boolean,
  ) {
    this.#graph = graph;
    this.#placed = placed;
    this.#isKeyOrValue = isKeyOrValue;
  }

  /** Reads what a node gives, if that is a shape. */
  add(node: NodeProto): void {
    const [output = ''] = node.output;
    const entries = this.#read(node);
    if (entries !== undefined && entries.length <= MAX_ENTRIES) this.#entries.set(output, entries);
  }

  /** What a shape holds, entry by entry; undefined where not even their number is known. */
  of(shape: string): readonly ShapeEntry[] | undefined {
    return this.#graph.constantInts(shape) ?? this.#entries.get(shape);
  }

  #read(node: NodeProto): readonly ShapeEntry[] | undefined {
    const graph = this.#graph;
    if (PASSING.has(node.opType)) return this.of(firstInput(node));
    if (isOperator(node, 'Concat')) {
      const parts = node.input.slice(0, MAX_ENTRIES + 1).map((name) => this.of(name));
      return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? []);
    }
    if (isOperator(node, 'Shape')) return this.#ofShape(input(node, 'data'), node);
    if (isOperator(node, 'ConstantOfShape')) {
      const [length = Infinity, ...more] = graph.constantInts(input(node, 'input')) ?? [];
      return more.length === 0 && length <= MAX_ENTRIES
        ? Array<ShapeEntry>(length).fill(undefined)
        : undefined;
    }
    if (isOperator(node, 'Gather')) {
      const data = input(node, 'data');
      const indices = graph.constantInts(input(node, 'indices'));
      return indices?.map((i) => this.of(data)?.at(i) ?? this.#entryAt(data, i));
    }
    if (isOperator(node, 'Slice')) {
      const data = input(node, 'data');
      const start = graph.constantInts(input(node, 'starts'))?.[0];
      const end = graph.constantInts(input(node, 'ends'))?.[0];
      if (start === undefined || end === undefined) return undefined;
      const one = end === start + 1 || start === -1;
      return this.of(data)?.slice(start, end) ?? (one ? [this.#entryAt(data, start)] : undefined);
    }
    if (node.opType === 'Mul') {
      const factors = node.input.map((name) => this.of(name)?.[0]);
      const both = factors.length === 2 && factors.includes('batch') && factors.includes('tokens');
      return [both ? 'rows' : undefined];
    }
    return undefined;
  }

  /** A Shape's entries, where the tensor's rank is known or the node says how many it gives. */
  #ofShape(tensor: string, shape: NodeProto): readonly ShapeEntry[] | undefined {
    const placed = this.#placed(tensor);
    const known = placed !== undefined && placed !== 'none' && !(placed instanceof Unclear);
    const rank = known ? placed.rank : rankOf(this.#graph, tensor);
    const start = intAttribute(shape, 'start', 0);
    const end = intAttribute(shape, 'end', rank ?? -1);
    if (rank === undefined && (start < 0 || end <= start || end > MAX_ENTRIES)) return undefined;
    const axes = Array.from({ length: Math.min(rank ?? end, MAX_ENTRIES) }, (_, axis) => axis);
    return axes.slice(start, end).map((axis) => this.#entry(tensor, axis));
  }

  /** One entry of the shape of a tensor whose rank is not known. */
  #entryAt(shape: string, index: number): ShapeEntry {
    const node = this.#graph.producer(shape);
    if (node === undefined || !isOperator(node, 'Shape') || node.attribute.length > 0) return undefined;
    return this.#entry(input(node, 'data'), index);
  }

  #entry(tensor: string, axis: number): ShapeEntry {
    if (this.#isKeyOrValue(tensor)) return axis === 0 ? 'batch' : { tensor, axis };
    const placed = this.#placed(tensor);
    if (placed === undefined) return this.#entryOfInput(tensor, axis);
    if (placed === 'none' || placed instanceof Unclear) return undefined;
    const place = axis < 0 && placed.rank !== undefined ? axis + placed.rank : axis;
    if (place === placed.axis && placed.batch === placed.axis) return 'rows';
    if (place === placed.axis) return placed.exact ? 'tokens' : undefined;
    return place === placed.batch ? 'batch' : { tensor, axis: place };
  }

  /** Graph inputs share the names of their axes: a cache, say, has the batch of inputs_embeds. */
  #entryOfInput(tensor: string, axis: number): ShapeEntry {
    if (!this.#graph.inputs.has(tensor)) return undefined;
    const symbol = dimension(this.#graph, tensor, axis);
    if (typeof symbol === 'number') return symbol;
    if (symbol !== undefined && symbol === dimension(this.#graph, EMBEDS, 0)) return 'batch';
    if (symbol !== undefined && symbol === dimension(this.#graph, EMBEDS, 1)) return 'tokens';
    return { tensor, axis };
  }

  /** Whether an entry is the width of a tensor [batch, sequence, width]. */
  isWidth(entry: ShapeEntry, tensor: string): boolean {
    if (typeof entry === 'object') return entry.tensor === tensor && (entry.axis === -1 || entry.axis === 2);
    if (typeof entry !== 'number' || entry <= 0) return false;
    const graph = this.#graph;
    const says = (name: string): boolean => {
      const node = graph.producer(name);
      if (node === undefined) return dimension(graph, name, -1) === entry;
      // What weights say: a bias or a norm's scale [width], a projection [in, width].
      return node.input.some((weight) => Number(graph.initializers.get(weight)?.dims.at(-1)) === entry);
    };
    let names = new Set([tensor]);
    for (let steps = 0; steps < 8 && names.size > 0; steps++) {
      if ([...names].some(says)) return true;
      const nodes = [...names].flatMap((name) => graph.producer(name) ?? []);
      const same = nodes.filter(({ opType }) => SAME_WIDTH.has(opType));
      names = new Set(same.flatMap((node) => node.input.filter((name) => this.#placed(name) !== undefined)));
    }
    return false;
  }
}

/** A declared size of a graph input, or its name. */
function dimension(graph: GraphView, tensor: string, axis: number): number | string | undefined {
  const type = graph.inputs.get(tensor)?.type?.value;
  const value = type?.case === 'tensorType' ? type.value.shape?.dim.at(axis)?.value : undefined;
  if (value?.case === 'dimValue') return Number(value.value);
  return value?.case === 'dimParam' ? value.value : undefined;
}
