// The attention that the last token pays to every token at one layer, after softmax.
//
// Where an operator computes attention, the row is computed again from the last token's rotated query and the keys in
// the cache, which costs one row of the map instead of the map (`output_qk` of GroupQueryAttention would materialise
// it). All of it is in float32, as operators compute it inside: products of float16 queries and keys overflow.
import { DataType, floatAttribute, type Emitter } from '../../onnx/index.js';
import type { HeadRows, RowContext } from './core.js';
import { headCounts } from './heads.js';

/** The most negative float32: what masked scores become, as in every export. */
export const MASKED = -3.4028234663852886e38;

/**
 * Emits the last token's attention, mean over heads.
 * @returns the name of a float32 tensor [batch, total]
 * @throws {FastvError} `unsupported-decoder` for an operator variant whose row cannot be told
 */
export function lastRowAttention(context: RowContext): string {
  const { rows, headAxes } = context.core.kind.rows(context);
  return context.emit.reduce('ReduceMean', rows, headAxes, false);
}

/** Emits the last token's attention, a row a head: float32 [batch, heads, total]. */
export function lastRowHeads(context: RowContext): string {
  const { emit, core } = context;
  const { rows, headAxes } = core.kind.rows(context);
  if (headAxes.length === 1) return rows;
  return emit.reshape(rows, emit.concat([emit.ints(0, -1), emit.dim1(rows, -1)], 0));
}

/**
 * What an operator's rows are made of, besides keys, scale and softcap. There is one row, or as many as
 * {@link RowContext.count} says.
 */
export interface OperatorRow {
  /** The queries as they meet the keys: [batch, KV heads, group · rows, head size]. */
  readonly query: string;
  /** Added to the scores: each float32 [batch or 1, heads or 1, rows or 1, total]. */
  readonly biases: readonly string[];
  /** Which keys may be looked at: bool [batch, total], or [batch, rows, total] of several rows. */
  readonly visible: string;
  /** A score that takes part in the softmax and leaves no value behind: float32 [1, KV heads, group, 1]. */
  readonly sink?: string | undefined;
}

/** The row of an attention operator: [batch, KV heads, heads per KV head, total], or rows: [batch, heads, rows, total]. */
export function operatorRows(context: RowContext, { query, biases, visible, sink }: OperatorRow): HeadRows {
  const { core, emit, node } = context;
  const { heads, kvHeads } = headCounts(core);
  const float = (x: string): string => toFloat(emit, x, core.elementType);
  // keys · qᵀ rather than q · keysᵀ: the small side is the one to transpose.
  const products = emit.op('MatMul', [float(core.keys), emit.transpose(float(query), 0, 1, 3, 2)]);
  let scores = emit.op('Mul', [emit.transpose(products, 0, 1, 3, 2), scale(context)]);
  const softcap = floatAttribute(node, 'softcap', 0);
  if (softcap > 0) {
    const squashed = emit.op('Tanh', [emit.op('Div', [scores, emit.float(softcap)])]);
    scores = emit.op('Mul', [squashed, emit.float(softcap)]);
  }
  const several = context.count !== undefined;
  if (several) {
    const shape = [emit.ints(0, heads), context.count, emit.dim1(scores, 3)];
    scores = emit.reshape(scores, emit.concat(shape, 0));
  }
  for (const bias of biases) {
    const own = several ? bias : regroupHeads(emit, bias, heads, kvHeads);
    scores = emit.op('Add', [scores, own]);
  }
  const seen = several ? emit.unsqueeze(visible, 1) : emit.unsqueeze(visible, 1, 2);
  scores = emit.op('Where', [seen, scores, emit.float(MASKED)]);
  const headAxes = several ? [1] : [1, 2];
  if (sink === undefined) return { rows: emit.softmax(scores), headAxes };
  const own = several ? emit.reshape(sink, emit.ints(1, heads, 1, 1)) : sink;
  const column = emit.op('Expand', [own, emit.concat([leading(emit, scores), emit.ints(1)], 0)]);
  const all = emit.softmax(emit.concat([scores, column], 3));
  return { rows: emit.slice(all, emit.ints(0), emit.ints(-1), 3), headAxes };
}

/** Queries, [batch, rows, heads · head size] or [batch, heads, rows, head size], in groups of a KV head. */
export function groupedQuery({ core, emit, count }: RowContext, query: string): string {
  const { heads, kvHeads } = headCounts(core);
  if (count !== undefined) {
    const perHead =
      core.layout === 'BNSH'
        ? query
        : emit.transpose(emit.reshape(query, emit.ints(0, 0, heads, -1)), 0, 2, 1, 3);
    return emit.reshape(perHead, emit.concat([emit.ints(0, kvHeads, -1), emit.dim1(perHead, 3)], 0));
  }
  return emit.reshape(query, emit.ints(0, kvHeads, heads / kvHeads, -1));
}

/** The last entries along an axis: one, or as many as there are rows. */
export function lastOnes({ emit, count }: RowContext, x: string, axis: number): string {
  if (count === undefined) return emit.last(x, axis);
  return emit.slice(x, emit.op('Neg', [count]), emit.ints(Number.MAX_SAFE_INTEGER), axis);
}

/** The last tokens' entries of an operator's queries. */
export function lastQuery(context: RowContext, queries: string): string {
  const { core, rowSource } = context;
  return lastOnes(context, rowSource ?? queries, core.layout === 'BNSH' ? 2 : 1);
}

/** The last queries' rows of an additive mask; nothing where there is none. */
export function lastMaskRow(context: RowContext, mask: string): string[] {
  const { core, emit } = context;
  return mask === '' ? [] : [toFloat(emit, lastOnes(context, mask, 2), core.elementType)];
}

/** Which tokens are there: bool [batch, total]; for each of several rows none behind itself: [batch, rows, total]. */
export function attended(context: RowContext): string {
  const { emit, mask } = context;
  const there = emit.cast(mask, DataType.BOOL);
  if (context.count === undefined) return there;
  const keys = emit.range(emit.dim(mask, 1));
  const before = emit.op('LessOrEqual', [emit.unsqueeze(keys, 0), emit.unsqueeze(placesOf(context), 1)]);
  return emit.op('And', [emit.unsqueeze(there, 1), emit.unsqueeze(before, 0)]);
}

/** The places of the rows' tokens among past and present: int64 [rows]; [1] of the last token alone. */
export function placesOf({ emit, mask, count = emit.ints(1) }: RowContext): string {
  const total = emit.dim(mask, 1);
  const rows = emit.reshape(count, emit.ints());
  return emit.op('Range', [emit.op('Sub', [total, rows]), total, emit.int(1)]);
}

export function toFloat(emit: Emitter, x: string, from: DataType): string {
  return from === DataType.FLOAT ? x : emit.cast(x, DataType.FLOAT);
}

/** The axes but the last one of a tensor with four. */
function leading(emit: Emitter, x: string): string {
  return emit.slice(emit.op('Shape', [x]), emit.ints(0), emit.ints(3), 0);
}

function scale({ core, emit, node }: RowContext): string {
  const given = floatAttribute(node, 'scale', 0);
  if (given !== 0) return emit.float(given);
  if (core.headSize !== undefined) return emit.float(1 / Math.sqrt(core.headSize));
  const size = emit.cast(emit.dim(core.pastKey, 3), DataType.FLOAT);
  return emit.op('Reciprocal', [emit.op('Sqrt', [size])]);
}

/** [b, heads or 1, 1, t] to the axes of grouped scores, [b, KV heads or 1, group or 1, t]. */
function regroupHeads(emit: Emitter, bias: string, heads: number, kvHeads: number): string {
  // [b, heads or 1, 1, t] broadcasts against [b, heads, 1, t] as it is.
  if (heads === kvHeads) return bias;
  // One row for all heads is the only form that exports have; a row per head is brought into groups by Expand first.
  const perHead = emit.op('Expand', [bias, emit.ints(1, heads, 1, 1)]);
  const shape = emit.concat([emit.ints(0, kvHeads, heads / kvHeads), emit.dim1(bias, 3)], 0);
  return emit.reshape(perHead, shape);
}
