// How many of its image tokens a row keeps: round-half-even(n · (1 − R)).
//
// prune_ratio is float32, where 0.3 is 0.30000001192…, which would turn halves the wrong way; six decimals bring the
// 0.3 back. Two ways to count from there:
//
// 1. `float64`, as Python and JavaScript count: 15 · (1 − 0.9) is just below 1.5 there, and 1 token is kept.
// 2. `integer`, for runtimes without float64 kernels (ONNX Runtime Web): exact, so that the same is a half and 2 are
//    kept. The two differ by one token in such cases (R near 1, n odd), nowhere else.
import { DataType, type Emitter } from '../onnx/index.js';

/** How quotas are counted. */
export type QuotaArithmetic = 'float64' | 'integer';

/**
 * Emits the quota.
 * @param images image tokens of each row: int64 [batch]
 * @param ratio R: float32 or float64 scalar
 * @returns int64 [batch]
 */
export function quota(emit: Emitter, images: string, ratio: string, arithmetic: QuotaArithmetic): string {
  return arithmetic === 'float64' ? float64Quota(emit, images, ratio) : integerQuota(emit, images, ratio);
}

function float64Quota(emit: Emitter, images: string, ratio: string): string {
  const million = emit.double(1e6);
  const exact = emit.cast(ratio, DataType.DOUBLE); // the nearest float64 of a float32
  const decimal = emit.op('Div', [emit.op('Round', [emit.op('Mul', [exact, million])]), million]);
  const inRange = emit.op('Min', [emit.op('Max', [decimal, emit.double(0)]), emit.double(1)]);
  const kept = emit.op('Sub', [emit.double(1), inRange]);
  const share = emit.op('Mul', [emit.cast(images, DataType.DOUBLE), kept]);
  return emit.cast(emit.op('Round', [share]), DataType.INT64);
}

function integerQuota(emit: Emitter, images: string, ratio: string): string {
  const million = emit.int(1_000_000);
  const millionths = emit.cast(emit.op('Round', [emit.op('Mul', [ratio, emit.float(1e6)])]), DataType.INT64);
  const inRange = emit.op('Min', [emit.op('Max', [millionths, emit.int(0)]), million]);
  const share = emit.op('Mul', [images, emit.op('Sub', [million, inRange])]);
  const whole = emit.op('Div', [share, million]);
  const rest = emit.op('Sub', [share, emit.op('Mul', [whole, million])]);
  const two = emit.int(2);
  const odd = emit.op('Sub', [whole, emit.op('Mul', [emit.op('Div', [whole, two]), two])]);
  // A half goes up if that makes it even.
  const up = emit.op('Greater', [emit.op('Add', [rest, odd]), emit.int(500_000)]);
  return emit.op('Add', [whole, emit.ones(up)]);
}
