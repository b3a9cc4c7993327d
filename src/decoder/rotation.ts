// Queries and keys before their rotation (RoPE), and the rotation itself. Operators that rotate inside take them as they
// are; elsewhere a RotaryEmbedding or x·cos + rotate_half(x)·sin stands in front of the attention, and what goes into that
// is what is wanted. Where a graph has neither, or rotates a part of each head by arithmetic, it is refused.
import { FastvError } from '../errors.js';
import { input, isOperator, label, type GraphView, type NodeProto } from '../onnx/index.js';
import type { AttentionCore } from './attention/core.js';
import type { TokenFlow } from './token-flow.js';

/** A rotation in front of an attention. */
export interface Rotation {
  /** What is rotated, as it goes in. */
  readonly from: string;
  /** Whether it has heads in front of the sequence: [batch, heads, sequence, head size]; else [batch, sequence, …]. */
  readonly headMajor: boolean;
  /** cos and sin: rows for this call's tokens, or tables to be looked up by positions. */
  readonly cos: string;
  readonly sin: string;
  /** int64 [batch, sequence]; undefined where cos and sin are the tokens' own rows already. */
  readonly positions: string | undefined;
}

/** What may stand between a rotation and the attention that takes its result. */
const BEHIND = new Set([
  'Reshape',
  'Transpose',
  'Cast',
  'Mul',
  'Div',
  'Identity',
  'Unsqueeze',
  'Expand',
  'Squeeze',
]);
/** What may stand between a table of rotations and the product with it. */
const AROUND_TABLE = new Set(['Unsqueeze', 'Cast', 'Reshape', 'Identity', 'Expand']);

/**
 * The rotation of a layer's queries or keys, where it stands outside the operator.
 * @throws {FastvError} `unsupported-decoder` for a graph that does not have it apart
 */
export function rotationOf(
  graph: GraphView,
  flow: TokenFlow,
  core: AttentionCore,
  of: 'queries' | 'keys',
): Rotation {
  const start = of === 'keys' ? core.newKeys : core.queries;
  const rotates = (node: NodeProto): Found | undefined =>
    operatorRotation(node) ?? written(graph, flow, node);
  const perHead = of === 'keys' ? !core.cacheInside : core.scoresUser !== undefined;
  let headMajor = perHead || core.layout === 'BNSH';
  const at = graph.upstream(start, (node) => {
    if (!BEHIND.has(node.opType) || rotates(node) !== undefined) return false;
    if (node.opType === 'Transpose') headMajor = !headMajor;
    return true;
  });
  const node = graph.producer(at);
  const found = node === undefined ? undefined : rotates(node);
  if (found !== undefined) return { ...found, headMajor };
  throw new FastvError(
    'unsupported-decoder',
    `the ${of} of layer ${core.layer} are not there apart from their rotation: ` +
      (node === undefined ? `"${at}" is no node's result` : `${label(node)} stands where it is looked for`),
    { where: `layer ${core.layer}`, hint: 'Choose a strategy that needs no unrotated queries and keys.' },
  );
}

type Found = Omit<Rotation, 'headMajor'>;

function operatorRotation(node: NodeProto): Found | undefined {
  const given = (from: string, cos: string, sin: string, positions: string): Found => ({
    from,
    cos,
    sin,
    positions: positions === '' ? undefined : positions,
  });
  if (isOperator(node, 'com.microsoft.RotaryEmbedding')) {
    const of = (name: 'input' | 'cos_cache' | 'sin_cache' | 'position_ids'): string => input(node, name);
    return given(of('input'), of('cos_cache'), of('sin_cache'), of('position_ids'));
  }
  if (!isOperator(node, 'RotaryEmbedding')) return undefined;
  const of = (name: 'X' | 'cos_cache' | 'sin_cache' | 'position_ids'): string => input(node, name);
  return given(of('X'), of('cos_cache'), of('sin_cache'), of('position_ids'));
}

/** x·cos + y·sin, where y is made of x. */
function written(graph: GraphView, flow: TokenFlow, node: NodeProto): Found | undefined {
  if (node.opType !== 'Add') return undefined;
  const products = node.input.map((tensor) => {
    const product = graph.producer(tensor);
    if (product?.opType !== 'Mul') return undefined;
    const table = product.input.find((name) => isTable(graph, flow, name));
    const from = product.input.find((name) => name !== table);
    return table === undefined || from === undefined ? undefined : { table, from };
  });
  const [a, b] = products;
  if (a === undefined || b === undefined) return undefined;
  const madeOf = (x: string, y: string): boolean => {
    const producer = graph.producer(x);
    return producer !== undefined && graph.ancestors([y]).has(producer);
  };
  if (a.from !== b.from && madeOf(a.from, b.from)) return rotation(a, b);
  if (a.from !== b.from && madeOf(b.from, a.from)) return rotation(b, a);
  return undefined;
}

function rotation(
  cos: { readonly table: string; readonly from: string },
  sin: { readonly table: string },
): Found {
  return { from: cos.from, cos: cos.table, sin: sin.table, positions: undefined };
}

function isTable(graph: GraphView, flow: TokenFlow, tensor: string): boolean {
  return flow.isRotary(graph.upstream(tensor, ({ opType }) => AROUND_TABLE.has(opType)));
}
