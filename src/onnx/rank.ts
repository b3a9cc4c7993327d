// How many axes a tensor has, as far as a graph tells without full shape inference.
import type { NodeProto } from './schema.js';
import { intAttribute, intsAttribute } from './attributes.js';
import type { GraphView } from './graph.js';
import { firstInput, input, isOperator, type OperatorNode } from './operators.js';

/** Ops whose result has the axes of their first input. */
const LIKE_FIRST = new Set('Abs Cast Clip Concat CumSum Identity Neg Not Slice Tile Transpose'.split(' '));
/** Ops that broadcast. */
const BROADCAST = new Set(
  'Add Sub Mul Div Max Min Where Equal Less Greater LessOrEqual GreaterOrEqual And Or'.split(' '),
);

/** One pass a graph, in topological order: no recursion that a deep or bushy graph could exhaust. */
const tables = new WeakMap<GraphView, RankTable>();

/**
 * The number of axes of a tensor, or undefined where it cannot be told.
 * @example
 * rankOf(view, 'inputs_embeds'); // 3
 */
export function rankOf(graph: GraphView, tensor: string): number | undefined {
  let table = tables.get(graph);
  if (table === undefined) {
    table = new RankTable(graph);
    tables.set(graph, table);
  }
  return table.rank(tensor);
}

class RankTable {
  readonly #graph: GraphView;
  /** Nodes whose results nobody has asked for yet. */
  readonly #unread: Iterator<NodeProto>;
  /** Axes of what nodes compute. */
  readonly #ranks = new Map<string, number | undefined>();
  /** How many entries a list of numbers (a shape) has that is computed. */
  readonly #entries = new Map<string, number | undefined>();

  constructor(graph: GraphView) {
    this.#graph = graph;
    this.#unread = graph.nodes.values();
  }

  rank(tensor: string): number | undefined {
    const declared = (this.#graph.inputs.get(tensor) ?? this.#graph.outputs.get(tensor))?.type?.value;
    if (declared?.case === 'tensorType') return declared.value.shape?.dim.length;
    const constant = this.#graph.initializers.get(tensor)?.dims.length;
    if (constant !== undefined || this.#graph.producer(tensor)?.output[0] !== tensor) return constant;
    while (!this.#ranks.has(tensor)) {
      const next = this.#unread.next();
      if (next.done === true) break;
      this.#read(next.value);
    }
    return this.#ranks.get(tensor);
  }

  #read(node: NodeProto): void {
    const [output = ''] = node.output;
    this.#ranks.set(output, this.#rankOfResult(node));
    this.#entries.set(output, this.#entriesOfResult(node));
  }

  #rankOfResult(node: NodeProto): number | undefined {
    const first = this.rank(firstInput(node));
    if (LIKE_FIRST.has(node.opType)) return first;
    if (BROADCAST.has(node.opType))
      return node.input.reduce<number | undefined>((widest, name) => larger(widest, this.rank(name)), 0);
    if (isOperator(node, 'Range') || isOperator(node, 'Shape')) return 1;
    if (node.opType === 'Constant')
      return node.attribute.find(({ name }) => name === 'value')?.t?.dims.length;
    if (isOperator(node, 'Unsqueeze')) return sum(first, this.#axes(node));
    if (isOperator(node, 'Squeeze')) return sum(first, negative(this.#axes(node)));
    if (isOperator(node, 'Gather')) return sum(sum(first, this.rank(input(node, 'indices'))), -1);
    if (isOperator(node, 'Reshape')) return this.#entriesOf(input(node, 'shape'));
    if (isOperator(node, 'ConstantOfShape')) return this.#entriesOf(input(node, 'input'));
    if (isOperator(node, 'Expand')) {
      const length = this.#entriesOf(input(node, 'shape'));
      return larger(length, first ?? length);
    }
    return undefined;
  }

  #axes(node: OperatorNode<'Squeeze' | 'Unsqueeze'>): number | undefined {
    return (intsAttribute(node, 'axes') ?? this.#graph.constantInts(input(node, 'axes')))?.length;
  }

  #entriesOf(tensor: string): number | undefined {
    return this.#graph.constantInts(tensor)?.length ?? this.#entries.get(tensor);
  }

  #entriesOfResult(node: NodeProto): number | undefined {
    switch (node.opType) {
      case 'Concat':
        return node.input.reduce<number | undefined>((all, name) => sum(all, this.#entriesOf(name)), 0);
      case 'Unsqueeze':
        return this.#ranks.get(node.output[0] ?? '') === 1 ? 1 : undefined;
      case 'Shape': {
        const axes = this.rank(firstInput(node));
        return axes === undefined ? undefined : shapeEntries(node, axes);
      }
      default:
        return undefined;
    }
  }
}

/** How many entries of a shape a Shape node gives: all, or from `start` to `end` (opset 15). */
function shapeEntries(node: NodeProto, axes: number): number {
  const bound = (name: string, fallback: number): number => {
    const at = intAttribute(node, name, fallback);
    return Math.min(Math.max(at < 0 ? at + axes : at, 0), axes);
  };
  return Math.max(bound('end', axes) - bound('start', 0), 0);
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(a, b);
}

function negative(n: number | undefined): number | undefined {
  return n === undefined ? undefined : -n;
}
