// How many axes a tensor has, as far as a graph tells without full shape inference.
import type { NodeProto } from 'onnx-buf';
import { intsAttribute } from './attributes.js';
import type { GraphView } from './graph.js';

/** Ops whose result has the axes of their first input. */
const LIKE_FIRST = new Set('Abs Cast CumSum Identity Neg Slice Transpose Clip Not'.split(' '));
/** Ops that broadcast. */
const BROADCAST = new Set(
  'Add Sub Mul Div Max Min Where Equal Less Greater LessOrEqual GreaterOrEqual And Or'.split(' '),
);

/** One pass a graph, in topological order: no recursion that a deep or bushy graph could exhaust. */
const tables = new WeakMap<GraphView, RankTable>();

/** The number of axes of a tensor, or undefined where it cannot be told. */
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
  /** Axes of what nodes compute. */
  readonly #ranks = new Map<string, number | undefined>();
  /** How many entries a list of numbers (a shape) has that is computed. */
  readonly #entries = new Map<string, number | undefined>();

  constructor(graph: GraphView) {
    this.#graph = graph;
    for (const node of graph.nodes) {
      const [output = ''] = node.output;
      if (output === '') continue;
      this.#ranks.set(output, this.#rankOfResult(node));
      this.#entries.set(output, this.#entriesOfResult(node));
    }
  }

  rank(tensor: string): number | undefined {
    const declared = (this.#graph.inputs.get(tensor) ?? this.#graph.outputs.get(tensor))?.type?.value;
    if (declared?.case === 'tensorType') return declared.value.shape?.dim.length;
    return this.#graph.initializers.get(tensor)?.dims.length ?? this.#ranks.get(tensor);
  }

  #rankOfResult(node: NodeProto): number | undefined {
    const of = (index: number): number | undefined => this.rank(node.input[index] ?? '');
    const axes = (): number | undefined =>
      (intsAttribute(node, 'axes') ?? this.#graph.constantInts(node.input[1] ?? ''))?.length;
    if (LIKE_FIRST.has(node.opType)) return of(0);
    if (BROADCAST.has(node.opType)) {
      return node.input.reduce<number | undefined>((widest, _, i) => larger(widest, of(i)), 0);
    }
    switch (node.opType) {
      case 'Range':
      case 'Shape':
        return 1;
      case 'Constant':
        return node.attribute.find(({ name }) => name === 'value')?.t?.dims.length;
      case 'Unsqueeze':
        return sum(of(0), axes());
      case 'Squeeze':
        return sum(of(0), negative(axes()));
      case 'Gather':
        return sum(sum(of(0), of(1)), -1);
      case 'Concat':
        return of(0);
      case 'Reshape':
        return this.#entriesOf(node.input[1] ?? '');
      case 'ConstantOfShape':
        return this.#entriesOf(node.input[0] ?? '');
      case 'Expand': {
        const length = this.#entriesOf(node.input[1] ?? '');
        return larger(length, of(0) ?? length);
      }
      default:
        return undefined;
    }
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
      case 'Shape':
        return this.rank(node.input[0] ?? '');
      default:
        return undefined;
    }
  }
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
