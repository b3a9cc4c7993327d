// How many axes a tensor has, as far as a graph tells without full shape inference.
import { intsAttribute } from './attributes.js';
import type { GraphView } from './graph.js';

/** Ops whose result has the axes of their first input. */
const LIKE_FIRST = new Set('Abs Cast CumSum Identity Neg Slice Transpose Clip Not'.split(' '));
/** Ops that broadcast. */
const BROADCAST = new Set(
  'Add Sub Mul Div Max Min Where Equal Less Greater LessOrEqual GreaterOrEqual And Or'.split(' '),
);

/** The number of axes of a tensor, or undefined where it cannot be told. */
export function rankOf(graph: GraphView, tensor: string, depth = 0): number | undefined {
  if (depth > 32) return undefined;
  const declared = (graph.inputs.get(tensor) ?? graph.outputs.get(tensor))?.type?.value;
  if (declared?.case === 'tensorType') return declared.value.shape?.dim.length;
  const initializer = graph.initializers.get(tensor);
  if (initializer !== undefined) return initializer.dims.length;
  const node = graph.producer(tensor);
  if (node === undefined) return undefined;
  const of = (index: number): number | undefined => rankOf(graph, node.input[index] ?? '', depth + 1);
  const axes = (): number | undefined =>
    (intsAttribute(node, 'axes') ?? graph.constantInts(node.input[1] ?? ''))?.length;
  const sum = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a + b;
  if (LIKE_FIRST.has(node.opType)) return of(0);
  if (BROADCAST.has(node.opType)) {
    const ranks = node.input.map((_, i) => of(i));
    return ranks.includes(undefined) ? undefined : Math.max(...ranks.map((rank) => rank ?? 0));
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
    case 'Expand':
    case 'ConstantOfShape': {
      const length = entries(graph, node.input[node.opType === 'ConstantOfShape' ? 0 : 1] ?? '', depth + 1);
      return node.opType === 'Expand' && length !== undefined ? Math.max(length, of(0) ?? length) : length;
    }
    default:
      return undefined;
  }
}

/** How many entries a list of numbers (a shape) has. */
function entries(graph: GraphView, tensor: string, depth: number): number | undefined {
  if (depth > 32) return undefined;
  const constant = graph.constantInts(tensor);
  if (constant !== undefined) return constant.length;
  const node = graph.producer(tensor);
  switch (node?.opType) {
    case 'Concat': {
      const lengths = node.input.map((name) => entries(graph, name, depth + 1));
      return lengths.includes(undefined) ? undefined : lengths.reduce<number>((a, b) => a + (b ?? 0), 0);
    }
    case 'Unsqueeze':
      return rankOf(graph, tensor, depth + 1) === 1 ? 1 : undefined;
    case 'Shape':
      return rankOf(graph, node.input[0] ?? '', depth + 1);
    default:
      return undefined;
  }
}

function negative(n: number | undefined): number | undefined {
  return n === undefined ? undefined : -n;
}
