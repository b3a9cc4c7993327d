// From scores to kept tokens: the one routine behind every strategy.
//
// 1. A row with n image tokens keeps round-half-even(n · (1 − R)) of them, the highest scores, ties to the lower index.
// 2. Rows are cut to one common length by keeping more than a row's own quota, never fewer: every row drops as many
//    image tokens as the row that may drop the fewest.
// 3. Tokens that are no image tokens are never dropped.
import { DataType, type Emitter } from '../onnx/index.js';
import { quota, type QuotaArithmetic } from './quota.js';

export interface Selection {
  /** Places of the kept tokens, ascending: int64 [batch, kept]. */
  readonly indices: string;
}

/** A float32 below every score that a strategy can give, and above minus infinity. */
const LOWEST = -3.4028234663852886e38;

/**
 * Emits the selection.
 * @param scores float32 [batch, sequence]
 * @param imageTokenMask bool [batch, sequence]: the tokens that may be dropped
 * @param ratio R of this stage: float32 scalar
 * @param arithmetic how quotas are counted
 * @param lost bool [batch, sequence]: tokens that are lost already and do not count (masking mode only)
 */
export function select(
  emit: Emitter,
  scores: string,
  imageTokenMask: string,
  ratio: string,
  arithmetic: QuotaArithmetic,
  lost?: string,
): Selection {
  const images = emit.reduce('ReduceSum', emit.cast(imageTokenMask, DataType.INT64), [1], false); // [batch]
  const spare = emit.op('Sub', [images, quota(emit, images, ratio, arithmetic)]);
  const dropped = emit.reduce('ReduceMin', spare, [0], true);
  const remaining = lost === undefined ? emit.dim1(imageTokenMask, 1) : remainingCount(emit, lost);
  const count = emit.op('Sub', [remaining, emit.op('Max', [dropped, emit.ints(0)])]);

  const lowest = emit.float(LOWEST);
  const known = emit.op('Where', [emit.op('IsNaN', [scores]), lowest, scores]);
  const bounded = emit.op('Min', [emit.op('Max', [known, lowest]), emit.float(-LOWEST)]);
  let ranked = emit.op('Where', [imageTokenMask, bounded, emit.float(Number.POSITIVE_INFINITY)]);
  if (lost !== undefined) ranked = emit.op('Where', [lost, emit.float(Number.NEGATIVE_INFINITY), ranked]);
  // TopK takes the lower index first among equal values.
  const [, highest = ''] = emit.ops('TopK', [ranked, count], { outputs: 2, attributes: { axis: 1n } });
  const [indices = ''] = emit.ops('TopK', [highest, count], {
    outputs: 2,
    attributes: { axis: 1n, largest: 0n },
  });
  return { indices };
}

/** How many tokens of a row are not lost; the same for every row: int64 [1]. */
function remainingCount(emit: Emitter, lost: string): string {
  const alive = emit.cast(emit.op('Not', [lost]), DataType.INT64);
  return emit.reduce('ReduceMin', emit.reduce('ReduceSum', alive, [1], false), [0], true);
}
