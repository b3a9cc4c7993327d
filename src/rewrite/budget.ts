// How many of its image tokens a row keeps: a share of them (quota.ts), or as many as hold a share of the attention.
//
// By mass: the fewest tokens that together hold the share p of the attention that the last token pays the row's image
// tokens, at least n · (1 − R) of the n there are and at most a greatest share of them. So R = 0 keeps them all there too,
// and a row whose attention is no number, or is nothing at all, keeps the greatest share: its mass says nothing.
// (An adaptive number of tokens by attention mass: ZipVL, arXiv 2410.08584, which takes one in every layer.)
import type { Emitter } from '../onnx/index.js';
import { quota, type QuotaArithmetic } from './quota.js';

/** How many tokens are kept, and in which numbers that is counted. */
export interface Budget {
  readonly arithmetic: QuotaArithmetic;
  /** Of so many image tokens of each row, int64 [batch], how many it keeps: int64 [batch]. */
  readonly kept: (images: string) => string;
}

/** A share 1 − R. @param ratio R: float32 or float64 scalar */
export function shareBudget(emit: Emitter, ratio: string, arithmetic: QuotaArithmetic): Budget {
  return { arithmetic, kept: (images) => quota(emit, images, ratio, arithmetic) };
}

export interface MassInputs {
  /** Attention to each token: float32 [batch, sequence]. */
  readonly attention: string;
  /** bool [batch, sequence] */
  readonly imageTokenMask: string;
  /** p: float32 scalar. */
  readonly share: string;
  /** R, by which the least share is kept: float32 or float64 scalar. */
  readonly ratio: string;
  /** 1 − the greatest share: float32 or float64 scalar. */
  readonly greatest: string;
}

/** The fewest tokens that hold a share of the attention, within bounds. */
export function massBudget(emit: Emitter, inputs: MassInputs, arithmetic: QuotaArithmetic): Budget {
  const { attention, imageTokenMask, share, ratio, greatest } = inputs;
  return {
    arithmetic,
    kept: (images) => {
      const own = emit.op('Where', [imageTokenMask, attention, emit.float(0)]);
      const length = emit.dim1(own, 1);
      const [sorted = ''] = emit.ops('TopK', [own, length], { outputs: 2, attributes: { axis: 1n } });
      const sums = emit.op('CumSum', [sorted, emit.int(1)]);
      const all = emit.reduce('ReduceSum', own, [1], true);
      // A token is needed while those before it hold less than the share.
      const before = emit.op('Less', [emit.op('Sub', [sums, sorted]), emit.op('Mul', [all, share])]);
      const needed = emit.reduce('ReduceSum', emit.ones(before), [1], false);
      const tells = emit.op('Greater', [emit.reduce('ReduceSum', own, [1], false), emit.float(0)]);
      const wanted = emit.op('Where', [tells, needed, images]);
      const bounded = emit.op('Min', [wanted, quota(emit, images, greatest, arithmetic)]);
      return emit.op('Max', [bounded, quota(emit, images, ratio, arithmetic)]);
    },
  };
}
