// The attention that the last token pays to every token at one layer: [batch, total], after softmax, mean over heads.
//
// Where attention is decomposed its softmax is already in the graph, and the last row is cut out of it (or out of a copy
// for the last token alone, queries.ts). Elsewhere the row is computed again from the last token's rotated query and the keys in the cache, which costs one row of the map
// instead of the map (`output_qk` of GroupQueryAttention would materialise it).
import type { NodeProto } from 'onnx-buf';
import {
  DataType,
  elementType,
  floatAttribute,
  intAttribute,
  type Emitter,
  type GraphView,
} from '../onnx/index.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import { headCounts, splitPacked } from '../decoder/attention/heads.js';
import { rotate } from './rotation.js';

/** What a row needs to know besides the operator itself. */
export interface RowContext {
  readonly emit: Emitter;
  /** The original graph, in which the core was found. */
  readonly graph: GraphView;
  readonly core: AttentionCore;
  /** The attention operator with the inputs it has where it stands (after other cuts these are not the original ones). */
  readonly node: NodeProto;
  /** The attention mask of the sequence at this layer: int64 [batch, total]. */
  readonly mask: string;
  /** Positions of this call's tokens, for rotation inside the op: int64 [batch, sequence]. */
  readonly positions: () => string;
  /**
   * What the row is computed from, where the last token's is there apart (queries.ts): the probabilities of decomposed
   * attention, or an operator's queries. Its last entry on the query axis is the last token's.
   */
  readonly rowSource?: string | undefined;
}

/** The most negative float32: what masked scores become, as in every export. */
const MASKED = -3.4028234663852886e38;

/**
 * Emits the last token's attention.
 * @returns the name of a float32 tensor [batch, total]
 * @throws {FastvError} `unsupported-decoder` for an operator variant whose row cannot be told
 */
export function lastRowAttention(context: RowContext): string {
  const { core, emit } = context;
  if (core.kind !== 'decomposed') return emit.reduce('ReduceMean', operatorRow(context), [1, 2], false);
  const probabilities = context.rowSource ?? core.decomposed?.probabilities ?? '';
  const row = emit.last(toFloat(emit, emit.last(probabilities, -2), core.elementType), -2);
  // [batch, heads, 1, total], or [batch, KV heads, group, 1, total] where heads are regrouped.
  const shape = emit.concat([emit.ints(0), emit.ints(-1), emit.dim1(row, -1)], 0);
  return emit.reduce('ReduceMean', emit.reshape(row, shape), [1], false);
}

/** The row of an attention operator: [batch, KV heads, heads per KV head, total]. */
function operatorRow(context: RowContext): string {
  const { core, emit, node } = context;
  const { heads, kvHeads } = headCounts(core);
  const group = heads / kvHeads;
  const query = lastQuery(context, heads, kvHeads); // [batch, KV heads, group, head size]
  // keys · qᵀ rather than q · keysᵀ: the small side is the one to transpose.
  const products = emit.op('MatMul', [core.keys, emit.transpose(query, 0, 1, 3, 2)]);
  let scores = toFloat(emit, emit.transpose(products, 0, 1, 3, 2), core.elementType);
  scores = emit.op('Mul', [scores, scale(context)]);
  const softcap = floatAttribute(node, 'softcap', 0);
  if (softcap > 0) {
    const squashed = emit.op('Tanh', [emit.op('Div', [scores, emit.float(softcap)])]);
    scores = emit.op('Mul', [squashed, emit.float(softcap)]);
  }
  const regroup = (bias: string): string => regroupHeads(emit, bias, heads, kvHeads);
  for (const bias of biases(context)) scores = emit.op('Add', [scores, regroup(bias)]);
  const visible = emit.unsqueeze(visibleKeys(context), 1, 2);
  scores = emit.op('Where', [visible, scores, emit.float(MASKED)]);
  const sink = sinks(context, kvHeads, group);
  if (sink === undefined) return emit.softmax(scores);
  // A sink takes part in the softmax and leaves no value behind.
  const batch = emit.dim1(scores, 0);
  const column = emit.op('Expand', [sink, emit.concat([batch, emit.ints(1, 1, 1)], 0)]);
  const all = emit.softmax(emit.concat([scores, column], 3));
  return emit.slice(all, emit.ints(0), emit.ints(-1), 3);
}

/** The last token's query with its rotation: [batch, KV heads, group, head size]. */
function lastQuery(context: RowContext, heads: number, kvHeads: number): string {
  const { core, emit, node } = context;
  const whole = context.rowSource ?? node.input[0] ?? '';
  if (core.fourAxes) {
    // [batch, heads, sequence, head size]
    const last = emit.last(whole, 2);
    return emit.reshape(last, emit.ints(0, kvHeads, heads / kvHeads, -1));
  }
  let query = emit.last(whole, 1); // [batch, 1, heads · head size]
  if (core.kind === 'GroupQueryAttention' && (node.input[1] ?? '') === '') {
    const [q] = splitPacked(emit, query, core);
    query = q;
  }
  if (core.kind === 'MultiHeadAttention' && (node.input[3] ?? '') !== '') {
    const bias = emit.slice(node.input[3] ?? '', emit.ints(0), emit.dim1(query, 2), 0);
    query = emit.op('Add', [query, bias]);
  }
  // After an earlier cut the operator rotates no longer, and its query arrives rotated.
  if (core.rotation === 'in-op' && intAttribute(node, 'do_rotary', 0) === 1) {
    query = rotate(emit, context.graph, core, query, emit.last(context.positions(), 1), heads);
  }
  return emit.reshape(query, emit.ints(0, kvHeads, heads / kvHeads, -1));
}

function scale({ core, emit, node }: RowContext): string {
  const given = floatAttribute(node, 'scale', 0);
  if (given !== 0) return emit.float(given);
  if (core.headSize !== undefined) return emit.float(1 / Math.sqrt(core.headSize));
  const size = emit.cast(emit.dim(core.pastKey, 3), DataType.FLOAT);
  return emit.op('Reciprocal', [emit.op('Sqrt', [size])]);
}

/** Additive biases of the row, each [batch or 1, heads or 1, 1, total]. */
function biases(context: RowContext): string[] {
  const { core, emit, node } = context;
  const lastRow = (bias: string): string => toFloat(emit, emit.last(bias, 2), core.elementType);
  switch (core.kind) {
    case 'GroupQueryAttention':
      return present(node.input[10]).map(lastRow);
    case 'MultiHeadAttention':
      return present(node.input[5]).map(lastRow);
    case 'Attention':
      return present(node.input[3]).map((mask) => attentionMaskRow(context, mask));
    case 'decomposed':
      return [];
  }
}

/** The last row of an Attention's attn_mask (bool or float, two to four axes) as an additive float bias. */
function attentionMaskRow({ emit, graph, core }: RowContext, mask: string): string {
  const row = emit.last(mask, -2);
  const type = elementType(graph, core.node.input[3] ?? '');
  if (type === DataType.BOOL) return emit.op('Where', [row, emit.float(0), emit.float(MASKED)]);
  return type === DataType.FLOAT ? row : emit.cast(row, DataType.FLOAT);
}

/** Which keys the last token may look at: bool [batch, total]. */
function visibleKeys({ core, emit, node, mask }: RowContext): string {
  const valid = emit.cast(mask, DataType.BOOL);
  const window = intAttribute(node, 'local_window_size', -1);
  if (core.kind !== 'GroupQueryAttention' || window <= 0) return valid;
  const total = emit.dim(mask, 1);
  const first = emit.op('Sub', [total, emit.int(window)]);
  const near = emit.op('GreaterOrEqual', [emit.range(total), first]);
  return emit.op('And', [valid, emit.unsqueeze(near, 0)]);
}

/** The score of the sink: [1, KV heads, group, 1], or undefined if the operator has none. */
function sinks({ core, emit, node }: RowContext, kvHeads: number, group: number): string | undefined {
  if (core.kind !== 'GroupQueryAttention') return undefined;
  const [sink] = present(node.input[11]);
  if (sink !== undefined) {
    return emit.reshape(emit.cast(sink, DataType.FLOAT), emit.ints(1, kvHeads, group, 1));
  }
  if (intAttribute(node, 'smooth_softmax', 0) !== 1) return undefined;
  return emit.op('Expand', [emit.float(0), emit.ints(1, kvHeads, group, 1)]);
}

/** [b, heads or 1, 1, t] to the axes of grouped scores, [b, KV heads or 1, group or 1, t]. */
function regroupHeads(emit: Emitter, bias: string, heads: number, kvHeads: number): string {
  if (heads === kvHeads) {
    // [b, heads or 1, 1, t] broadcasts against [b, heads, 1, t] as it is.
    return bias;
  }
  // One row for all heads is the only form that exports have; a row per head is brought into groups by Expand first.
  const perHead = emit.op('Expand', [bias, emit.ints(1, heads, 1, 1)]);
  const shape = emit.concat([emit.ints(0, kvHeads, heads / kvHeads), emit.dim1(bias, 3)], 0);
  return emit.reshape(perHead, shape);
}

function toFloat(emit: Emitter, x: string, from: DataType): string {
  return from === DataType.FLOAT ? x : emit.cast(x, DataType.FLOAT);
}

function present(input: string | undefined): string[] {
  return input === undefined || input === '' ? [] : [input];
}
