// What the attention operators have in common: what is read from them when they are found.
import { FastvError } from '../../errors.js';
import {
  DataType,
  elementType,
  inSet,
  intAttribute,
  intsAttribute,
  label,
  type GraphView,
  type NodeProto,
} from '../../onnx/index.js';
import { linearLayer } from '../linear.js';
import type { AttentionCore, AttentionKind, CacheNames, KeyUse } from './core.js';

/** How a kind of operator writes what a core needs. */
export interface OperatorSpec {
  readonly kind: AttentionKind;
  /** The tensor that it takes as its past keys. */
  readonly pastKey: string;
  readonly query: string;
  /** The keys; '' where the query has them packed with it. */
  readonly key: string;
  /** The values; '' where the query has them packed with it. */
  readonly value: string;
  /** Attributes with the numbers of heads. */
  readonly heads: string;
  readonly kvHeads: string;
  readonly causal: boolean;
  readonly rotation: AttentionCore['rotation'];
  /** Whether it takes [batch, heads, sequence, head size] where it does not say how many heads it has. */
  readonly takesHeads: boolean;
}

/** The core of an attention operator. @throws {FastvError} `unsupported-decoder` */
export function operatorCore(
  graph: GraphView,
  cache: CacheNames,
  { node, concat }: KeyUse,
  spec: OperatorSpec,
): AttentionCore {
  const cacheInside = concat === undefined;
  if (cacheInside && behindCasts(graph, spec.pastKey) !== cache.pastKey) {
    throw refuse(cache, `${label(node)} takes "${cache.pastKey}", but not as its past keys`);
  }
  const keys = (cacheInside ? node.output[1] : concat.output[0]) ?? '';
  if (keys === '') throw refuse(cache, `${label(node)} has no present_key output`);
  const shape = cacheShape(graph, cache);
  const declared = intAttribute(node, spec.heads, 0);
  const kvHeads = intAttribute(node, spec.kvHeads, 0);
  const layout = spec.takesHeads && declared === 0 ? 'BNSH' : 'BSH';
  const [newKeys = ''] = concat === undefined ? [spec.key] : concat.input.slice(-1);
  const output = layout === 'BNSH' ? sequenceMajor(graph, cache, node) : (node.output[0] ?? '');
  return {
    ...cache,
    kind: spec.kind,
    node,
    elementType: elementType(graph, spec.query) ?? DataType.FLOAT,
    keys,
    output,
    rowSource: spec.query,
    newKeys,
    queries: spec.query,
    layout,
    cacheInside,
    causal: spec.causal,
    heads: declared > 0 ? declared : headsBeforeProjection(graph, output, shape.headSize),
    // Heads that are repeated before the operator are more than the cache has.
    kvHeads: kvHeads > 0 && cacheInside ? kvHeads : (shape.kvHeads ?? kvHeads),
    headSize:
      shape.headSize ??
      projectedHeadSize(graph, node, declared) ??
      headSizeOfValues(graph, spec, declared, kvHeads > 0 ? kvHeads : declared),
    rotation: spec.rotation,
  };
}

/** Why a layer's attention is not understood. */
export function refuse({ layer }: CacheNames, message: string, hint: string = SUPPORTED): FastvError {
  return new FastvError('unsupported-decoder', message, { where: `layer ${layer}`, hint });
}

const SUPPORTED =
  'Supported: GroupQueryAttention, MultiHeadAttention, Attention (opset 23) and MatMul–Softmax–MatMul.';

/** The tensor that a cast or renamed tensor comes from. */
function behindCasts(graph: GraphView, tensor: string): string {
  return graph.upstream(tensor, (node) => node.opType === 'Cast' || isOtherName(node));
}

/** Whether a node only gives its input another name. */
export function isOtherName(node: NodeProto): boolean {
  return node.opType === 'Identity' || (node.opType === 'Concat' && node.input.length === 1);
}

/** Follows [batch, heads, sequence, head size] to the Transpose that puts the sequence on axis 1. */
export function sequenceMajor(graph: GraphView, cache: CacheNames, node: NodeProto): string {
  const transpose = graph.downstream(node, ({ opType }) => opType === 'Transpose', inSet(KEEPS_HEADS));
  const perm = transpose === undefined ? undefined : intsAttribute(transpose, 'perm');
  if (transpose === undefined || perm?.[0] !== 0 || perm[1] !== perm.length - 2) {
    throw refuse(
      cache,
      `the result of ${label(node)} is not brought into [batch, sequence, …] by one Transpose`,
    );
  }
  return transpose.output[0] ?? '';
}

const KEEPS_HEADS = new Set(['Cast', 'Identity', 'Reshape']);

/** What a layer's cache says of its heads. */
export function cacheShape(
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
export function headsBeforeProjection(
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

/** The head size as the projection that makes the values tells it, or the one that makes queries, keys and values. */
function headSizeOfValues(
  graph: GraphView,
  { query, value }: OperatorSpec,
  heads: number,
  kvHeads: number,
): number | undefined {
  const packed = value === '';
  const from = graph.upstream(packed ? query : value, ({ opType }) => TO_VALUES.has(opType));
  const node = graph.producer(from);
  const width = node === undefined ? undefined : linearLayer(graph, node)?.outFeatures;
  const size = (width ?? 0) / (packed ? heads + 2 * kvHeads : kvHeads);
  return Number.isInteger(size) && size > 0 ? size : undefined;
}

/** Ops between a projection and an operator. */
const TO_VALUES = new Set([
  'Identity',
  'Cast',
  'Reshape',
  'Add',
  'Transpose',
  'Expand',
  'Unsqueeze',
  'Squeeze',
]);

/** How many features a projection takes, whatever its weights are stored as; 0 if the node is none. */
function projectionWidth(graph: GraphView, node: NodeProto): number {
  const quantised =
    node.opType === 'DynamicQuantizeLinear' ? graph.consumers(node.output[0] ?? '')[0] : undefined;
  return linearLayer(graph, quantised ?? node)?.inFeatures ?? 0;
}
