// Finds the attention core of a layer, starting from its KV cache: whoever uses past_key_values.i.key is the
// attention operator itself, or the Concat in front of it.
//
// 1. GroupQueryAttention, MultiHeadAttention or Attention (opset 23) that takes the cache as an input.
// 2. Concat(past, new) whose result is the key input of MultiHeadAttention or Attention.
// 3. Concat(past, new) that leads to MatMul – Softmax – MatMul (eager and SDPA exports; heads repeated or regrouped).
//
// Anything else is refused, naming the node.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../../errors.js';
import {
  DataType,
  elementType,
  intAttribute,
  intsAttribute,
  label,
  MICROSOFT,
  type GraphView,
} from '../../onnx/index.js';
import { SHAPE_ONLY } from '../dependence.js';
import { linearLayer } from '../linear.js';
import type { AttentionCore } from './core.js';

/** The names of one layer's KV cache. */
export interface CacheNames {
  readonly layer: number;
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

/** Input and output positions of the attention operators. */
const OPERATORS = {
  GroupQueryAttention: { domain: MICROSOFT, pastKey: 3, heads: 'num_heads', kvHeads: 'kv_num_heads' },
  MultiHeadAttention: { domain: MICROSOFT, pastKey: 6, heads: 'num_heads', kvHeads: 'num_heads' },
  Attention: { domain: '', pastKey: 4, heads: 'q_num_heads', kvHeads: 'kv_num_heads' },
} as const;

type Operator = keyof typeof OPERATORS;

/** Ops through which a tensor passes on without its tokens mixing. */
const LAYOUT = new Set([
  'Identity',
  'Cast',
  'Transpose',
  'Reshape',
  'Expand',
  'Unsqueeze',
  'Squeeze',
  'Flatten',
]);
/** Ops between the scores and their softmax. */
const ON_SCORES = new Set([
  'Add',
  'Mul',
  'Div',
  'Sub',
  'Where',
  'Cast',
  'Tanh',
  'Reshape',
  'Max',
  'Min',
  'Clip',
  'Identity',
  'Concat',
]);
/** Ops between the softmax and the product with the values. */
const ON_PROBABILITIES = new Set([
  'Cast',
  'Where',
  'Mul',
  'Reshape',
  'Identity',
  'Dropout',
  'Expand',
  'Slice',
]);
const MATMULS = new Set(['MatMul', 'FusedMatMul']);

/**
 * Finds the attention of one layer.
 * @throws {FastvError} `unsupported-decoder`, naming the node that was not understood and what was expected
 */
export function findAttention(graph: GraphView, cache: CacheNames): AttentionCore {
  const users = usersOf(graph, cache.pastKey);
  const [user] = users;
  if (user === undefined || users.length > 1) {
    const what = user === undefined ? 'nothing' : `${users.length} nodes (${users.map(label).join(', ')})`;
    throw refuse(
      cache,
      `${what} attend to "${cache.pastKey}"; expected one attention operator or one Concat`,
    );
  }
  if (isOperator(user)) return operatorCore(graph, cache, user, true);
  if (user.opType === 'Concat') return behindConcat(graph, cache, user);
  // A cache that is cast or reshaped first, and then perhaps given another name.
  const joins = (node: NodeProto): boolean => node.opType === 'Concat' && !isOtherName(node);
  const next = LAYOUT.has(user.opType)
    ? follow(graph, user, (node) => joins(node) || isOperator(node), new Set([...LAYOUT, 'Concat']))
    : undefined;
  if (next !== undefined && isOperator(next)) return operatorCore(graph, cache, next, true);
  if (next !== undefined) return behindConcat(graph, cache, next);
  const crop = croppedTo(graph, user);
  if (crop !== undefined) {
    throw new FastvError(
      'unsupported-decoder',
      `${label(user)} keeps only the last ${crop} tokens of the cache "${cache.pastKey}": a sliding cache`,
      {
        where: `layer ${cache.layer}`,
        hint:
          'Export the decoder with DynamicCache() instead of DynamicCache(config=…): its layers keep every token, ' +
          'and their window stays in the attention mask.',
      },
    );
  }
  throw refuse(cache, `${label(user)} is no attention operator that is known`);
}

/** How many of a cache's last tokens a Slice keeps, as torch exports of a sliding cache have it; undefined if it does not. */
function croppedTo(graph: GraphView, node: NodeProto): number | undefined {
  if (node.opType !== 'Slice') return undefined;
  const value = (place: number): number | undefined => graph.constantInts(node.input[place] ?? '')?.[0];
  const [start, axis] = [value(1), value(3)];
  return start !== undefined && start < 0 && (axis === 2 || axis === -2) ? -start : undefined;
}

function behindConcat(graph: GraphView, cache: CacheNames, concat: NodeProto): AttentionCore {
  const user = follow(
    graph,
    concat,
    (node) => isOperator(node) || MATMULS.has(node.opType),
    new Set([...LAYOUT, 'Mul', 'Div']),
  );
  if (user === undefined) {
    throw refuse(cache, `the keys of ${label(concat)} meet no MatMul or attention operator`);
  }
  if (isOperator(user)) return operatorCore(graph, cache, user, false, concat.output[0] ?? '');
  const softmax = follow(graph, user, (node) => node.opType === 'Softmax', ON_SCORES);
  if (softmax === undefined) throw refuse(cache, `the scores of ${label(user)} meet no Softmax`);
  const axis = intAttribute(softmax, 'axis', -1);
  if (axis < 0 ? axis !== -1 : axis < 3) {
    throw refuse(cache, `${label(softmax)} does not normalise over the keys`);
  }
  // A sink is a column that is added to the scores and cut off the probabilities again.
  const sink = follow(
    graph,
    user,
    (node) => node.opType === 'Concat',
    new Set([...ON_SCORES].filter((op) => op !== 'Concat')),
  );
  const cutOff =
    sink === undefined
      ? undefined
      : follow(graph, softmax, (node) => node.opType === 'Slice', ON_PROBABILITIES);
  const product = follow(graph, softmax, (node) => MATMULS.has(node.opType), ON_PROBABILITIES);
  if (product === undefined) throw refuse(cache, `the probabilities of ${label(softmax)} meet no values`);
  return {
    kind: 'decomposed',
    ...cache,
    node: product,
    decomposed: {
      scoresUser: cutOff === undefined ? softmax : (sink ?? softmax),
      probabilities: (cutOff ?? softmax).output[0] ?? '',
    },
    elementType: elementType(graph, softmax.output[0] ?? '') ?? DataType.FLOAT,
    keys: concat.output[0] ?? '',
    output: sequenceMajor(graph, cache, product),
    fourAxes: true,
    ...decomposedHeads(graph, cache, product),
    rotation: 'outside',
  };
}

function decomposedHeads(
  graph: GraphView,
  cache: CacheNames,
  product: NodeProto,
): Pick<AttentionCore, 'heads' | 'kvHeads' | 'headSize'> {
  const shape = cacheShape(graph, cache);
  return {
    ...shape,
    heads: headsBeforeProjection(graph, sequenceMajor(graph, cache, product), shape.headSize),
  };
}

function operatorCore(
  graph: GraphView,
  cache: CacheNames,
  node: NodeProto,
  cacheInside: boolean,
  keys = node.output[1] ?? '',
): AttentionCore {
  const kind = node.opType as Operator;
  const spec = OPERATORS[kind];
  if (cacheInside && sourceOf(graph, node.input[spec.pastKey] ?? '') !== cache.pastKey) {
    throw refuse(
      cache,
      `${label(node)} takes "${cache.pastKey}" as input ${node.input.indexOf(cache.pastKey)}; expected ${spec.pastKey}`,
    );
  }
  if (keys === '') throw refuse(cache, `${label(node)} has no present_key output`);
  if (kind === 'MultiHeadAttention' && (node.input[1] ?? '') === '') {
    throw refuse(cache, `${label(node)} has packed q, k and v; expected separate ones`);
  }
  const shape = cacheShape(graph, cache);
  const declared = intAttribute(node, spec.heads, 0);
  const kvHeads = intAttribute(node, spec.kvHeads, 0);
  // Attention on [batch, heads, sequence, head size] does not say how many query heads it has.
  const fourAxes = kind === 'Attention' && declared === 0;
  const output = fourAxes ? sequenceMajor(graph, cache, node) : (node.output[0] ?? '');
  const heads = declared > 0 ? declared : headsBeforeProjection(graph, output, shape.headSize);
  return {
    kind,
    ...cache,
    node,
    elementType: elementType(graph, node.input[0] ?? '') ?? DataType.FLOAT,
    keys,
    output,
    fourAxes,
    heads,
    // Heads that are repeated before the operator are more than the cache has.
    kvHeads: kvHeads > 0 && cacheInside ? kvHeads : (shape.kvHeads ?? kvHeads),
    headSize: shape.headSize ?? projectedHeadSize(graph, node, declared),
    rotation:
      kind === 'GroupQueryAttention' && intAttribute(node, 'do_rotary', 0) === 1 ? 'in-op' : 'outside',
  };
}

/** Follows [batch, heads, sequence, head size] to the Transpose that puts the sequence on axis 1. */
function sequenceMajor(graph: GraphView, cache: CacheNames, node: NodeProto): string {
  const transpose = follow(
    graph,
    node,
    (next) => next.opType === 'Transpose',
    new Set(['Cast', 'Identity', 'Reshape']),
  );
  const perm = transpose === undefined ? undefined : intsAttribute(transpose, 'perm');
  if (transpose === undefined || perm?.[0] !== 0 || perm[1] !== perm.length - 2) {
    throw refuse(
      cache,
      `the result of ${label(node)} is not brought into [batch, sequence, …] by one Transpose`,
    );
  }
  return transpose.output[0] ?? '';
}

/**
 * The nearest node that `wanted` accepts among the users of a node's result, passing only through ops in `through`.
 */
function follow(
  graph: GraphView,
  from: NodeProto,
  wanted: (node: NodeProto) => boolean,
  through: ReadonlySet<string>,
): NodeProto | undefined {
  const seen = new Set<NodeProto>();
  let front: readonly NodeProto[] = [from];
  while (front.length > 0) {
    const next = front.flatMap((node) => node.output.flatMap((output) => graph.consumers(output)));
    const found = next.find(wanted);
    if (found !== undefined) return found;
    // Each node once: paths that part and meet again would double the front at every turn.
    front = [...new Set(next)].filter((node) => through.has(node.opType) && !seen.has(node));
    for (const node of front) seen.add(node);
  }
  return undefined;
}

/** Who uses a tensor's values: not who looks at its shape, and not those who only pass it on under another name. */
function usersOf(graph: GraphView, tensor: string): NodeProto[] {
  const users = new Set<NodeProto>();
  const stack = [tensor];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    for (const node of graph.consumers(name)) {
      if (SHAPE_ONLY.has(node.opType)) continue;
      if (isOtherName(node)) for (const output of node.output) stack.push(output);
      else users.add(node);
    }
  }
  return [...users];
}

/** The tensor that a cast or renamed tensor comes from. */
function sourceOf(graph: GraphView, tensor: string): string {
  let name = tensor;
  let node = graph.producer(name);
  while (node !== undefined && (node.opType === 'Cast' || isOtherName(node))) {
    name = node.input[0] ?? '';
    node = graph.producer(name);
  }
  return name;
}

/** Whether a node only gives its input another name. */
function isOtherName(node: NodeProto): boolean {
  return node.opType === 'Identity' || (node.opType === 'Concat' && node.input.length === 1);
}

function isOperator(node: NodeProto): boolean {
  const known: Record<string, { domain: string } | undefined> = OPERATORS;
  return known[node.opType]?.domain === node.domain.replace('ai.onnx', '');
}

function cacheShape(
  graph: GraphView,
  cache: CacheNames,
): { kvHeads: number | undefined; headSize: number | undefined } {
  const type = graph.inputs.get(cache.pastKey)?.type?.value;
  const dims = type?.case === 'tensorType' ? (type.value.shape?.dim ?? []) : [];
  const size = (axis: number): number | undefined => {
    const dim = dims[axis]?.value;
    return dim?.case === 'dimValue' && dim.value > 0n ? Number(dim.value) : undefined;
  };
  return { kvHeads: size(1), headSize: size(3) };
}

/** The query heads as the output projection tells them: the width of what it takes, divided by the head size. */
function headsBeforeProjection(
  graph: GraphView,
  output: string,
  headSize: number | undefined,
): number | undefined {
  for (const reshape of graph.consumers(output)) {
    for (const user of reshape.output.flatMap((tensor) => graph.consumers(tensor))) {
      const width = projectionWidth(graph, user);
      if (headSize !== undefined && width > 0 && width % headSize === 0) return width / headSize;
    }
  }
  return undefined;
}

/** The head size as the output projection tells it: the width of what it takes, divided by the heads. */
function projectedHeadSize(graph: GraphView, node: NodeProto, heads: number): number | undefined {
  if (heads === 0) return undefined;
  for (const user of graph.consumers(node.output[0] ?? '')) {
    const width = projectionWidth(graph, user);
    if (width > 0 && width % heads === 0) return width / heads;
  }
  return undefined;
}

/** How many features a projection takes, whatever its weights are stored as; 0 if the node is none. */
function projectionWidth(graph: GraphView, node: NodeProto): number {
  const quantised =
    node.opType === 'DynamicQuantizeLinear' ? graph.consumers(node.output[0] ?? '')[0] : undefined;
  return linearLayer(graph, quantised ?? node)?.inFeatures ?? 0;
}

function refuse(cache: CacheNames, message: string): FastvError {
  return new FastvError('unsupported-decoder', message, {
    where: `layer ${cache.layer}`,
    hint: 'Supported: GroupQueryAttention, MultiHeadAttention, Attention (opset 23) and MatMul–Softmax–MatMul.',
  });
}
