// From scores to kept tokens: the one routine behind every strategy.
//
// 1. A row keeps as many image tokens as its budget says (round-half-even(n · (1 − R)) of n), the highest scores, ties to
//    the lower index.
// 2. The last token of the call always stays, for the next token is read from it: an image token there takes the first
//    of the kept places, and stays alone at R = 1.
// 3. NaN ranks with minus infinity, below every number. A row whose image tokens have no other score cannot be ranked
//    and keeps them all: dropping by place is not FastV.
// 4. Rows are cut to one common length by keeping more than a row's own quota, never fewer: every row drops as many
//    image tokens as the row that may drop the fewest.
// 5. Tokens that are no image tokens are never dropped.
import { DataType, type Emitter } from '../onnx/index.js';
import type { Budget } from './budget.js';

export interface Selection {
  /** Places of the kept tokens, ascending: int64 [batch, kept]. */
  readonly indices: string;
}

/** The lowest float32: what minus infinity and NaN rank as, and above what lost tokens rank as. */
const LOWEST = -3.4028234663852886e38;

/**
 * Emits the selection.
 * @param scores float32 [batch, sequence]
 * @param imageTokenMask bool [batch, sequence]: the tokens that may be dropped
 * @param budget how many tokens each row keeps
 * @param lost bool [batch, sequence]: tokens that are lost already and do not count (masking mode only)
 */
export function select(
  emit: Emitter,
  scores: string,
  imageTokenMask: string,
  budget: Budget,
  lost?: string,
): Selection {
  const droppable = withoutLast(emit, imageTokenMask);
  // float64 stays on the processor: what a GPU has scored comes over once, and what is kept goes back once
  const wide = budget.arithmetic === 'float64';
  const values = wide ? emit.cast(scores, DataType.DOUBLE) : scores;
  const number = (value: number): string => (wide ? emit.double(value) : emit.float(value));
  // NaN equals nothing, itself neither; IsNaN would leave the GPU, which has no kernel for it
  const known = emit.op('Equal', [values, values]);
  const ranks = both(emit, droppable, known);
  const spare = emit.op('Where', [
    emit.op('Greater', [countOf(emit, ranks), emit.int(0)]),
    spareCounts(emit, imageTokenMask, budget),
    emit.int(0),
  ]);
  const dropped = emit.reduce('ReduceMin', spare, [0], true);
  const remaining = lost === undefined ? emit.dim1(imageTokenMask, 1) : remainingCount(emit, lost);
  const count = emit.op('Sub', [remaining, emit.op('Max', [dropped, emit.ints(0)])]);

  const lowest = number(LOWEST);
  const numbers = emit.op('Where', [known, values, lowest]);
  const bounded = emit.op('Min', [emit.op('Max', [numbers, lowest]), number(-LOWEST)]);
  let ranked = emit.op('Where', [droppable, bounded, number(Number.POSITIVE_INFINITY)]);
  if (lost !== undefined) ranked = emit.op('Where', [lost, number(Number.NEGATIVE_INFINITY), ranked]);
  // TopK takes the lower index first among equal values.
  const [, highest = ''] = emit.ops('TopK', [ranked, count], { outputs: 2, attributes: { axis: 1n } });
  const [indices = ''] = emit.ops('TopK', [highest, count], {
    outputs: 2,
    attributes: { axis: 1n, largest: 0n },
  });
  return { indices };
}

/**
 * How many image tokens each row of a batch keeps, whatever their scores are (rules 1, 2 and 4): int64 [batch].
 * The parameters are those of {@link select}.
 */
export function keepCounts(emit: Emitter, imageTokenMask: string, budget: Budget): string {
  const dropped = emit.reduce('ReduceMin', spareCounts(emit, imageTokenMask, budget), [0], true);
  return emit.op('Sub', [countOf(emit, imageTokenMask), emit.op('Max', [dropped, emit.ints(0)])]);
}

/** How many image tokens each row may drop: int64 [batch]. */
function spareCounts(emit: Emitter, imageTokenMask: string, budget: Budget): string {
  const images = countOf(emit, imageTokenMask);
  const beyondQuota = emit.op('Sub', [images, budget.kept(images)]);
  return emit.op('Min', [beyondQuota, countOf(emit, withoutLast(emit, imageTokenMask))]);
}

/** A mask [batch, sequence] without the sequence's last place. */
function withoutLast(emit: Emitter, mask: string): string {
  const length = emit.dim(mask, 1);
  const before = emit.op('Less', [emit.range(length), emit.op('Sub', [length, emit.int(1)])]);
  return both(emit, before, mask);
}

/** Where two masks both hold: bool. In integers, as an And would run on a GPU, and what counts it does not. */
function both(emit: Emitter, a: string, b: string): string {
  return emit.op('Greater', [emit.op('Where', [a, emit.ones(b), emit.int(0)]), emit.int(0)]);
}

/** How many places of each row a mask holds: int64 [batch]. */
function countOf(emit: Emitter, mask: string): string {
  return emit.reduce('ReduceSum', emit.ones(mask), [1], false);
}

/** How many tokens of a row are not lost; the same for every row: int64 [1]. */
function remainingCount(emit: Emitter, lost: string): string {
  const alive = emit.ones(emit.op('Not', [lost]));
  return emit.reduce('ReduceMin', emit.reduce('ReduceSum', alive, [1], false), [0], true);
}
