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

/** What an operator's row is made of, besides keys, scale and softcap. */
export interface OperatorRow {
  /** The last token's query as it meets the keys: [batch, KV heads, group, head size]. */
  readonly query: string;
  /** Added to the scores: each float32 [batch or 1, heads or 1, 1, total]. */
  readonly biases: readonly string[];
  /** Which keys the last token may look at: bool [batch, total]. */
  readonly visible: string;
  /** A score that takes part in the softmax and leaves no value behind: float32 [1, KV heads, group, 1]. */
  readonly sink?: string | undefined;
}

/** The row of an attention operator: [batch, KV heads, heads per KV head, total]. */
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
  for (const bias of biases) scores = emit.op('Add', [scores, regroupHeads(emit, bias, heads, kvHeads)]);
  scores = emit.op('Where', [emit.unsqueeze(visible, 1, 2), scores, emit.float(MASKED)]);
  const headAxes = [1, 2];
  if (sink === undefined) return { rows: emit.softmax(scores), headAxes };
  const batch = emit.dim1(scores, 0);
  const column = emit.op('Expand', [sink, emit.concat([batch, emit.ints(1, 1, 1)], 0)]);
  const all = emit.softmax(emit.concat([scores, column], 3));
  return { rows: emit.slice(all, emit.ints(0), emit.ints(-1), 3), headAxes };
}

/** A last token's query, [batch, 1, heads · head size] or [batch, heads, 1, head size], in groups of a KV head. */
export function groupedQuery({ core, emit }: RowContext, query: string): string {
  const { heads, kvHeads } = headCounts(core);
  return emit.reshape(query, emit.ints(0, kvHeads, heads / kvHeads, -1));
}

/** The last token's entry of an operator's queries. */
export function lastQuery({ core, emit, rowSource }: RowContext, queries: string): string {
  return emit.last(rowSource ?? queries, core.layout === 'BNSH' ? 2 : 1);
}

/** The last query's row of an additive mask; nothing where there is none. */
export function lastMaskRow({ core, emit }: RowContext, mask: string): string[] {
  return mask === '' ? [] : [toFloat(emit, emit.last(mask, 2), core.elementType)];
}

/** Which tokens are there: bool [batch, total]. */
export function attended({ emit, mask }: RowContext): string {
  return emit.cast(mask, DataType.BOOL);
}

export function toFloat(emit: Emitter, x: string, from: DataType): string {
  return from === DataType.FLOAT ? x : emit.cast(x, DataType.FLOAT);
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
