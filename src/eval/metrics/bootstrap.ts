/**
 * Percentile bootstrap: how far a score might have been from what it is, had other samples been drawn.
 * Seeded, so that the same results always give the same interval.
 *
 * Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapters 13 and 16; for
 * paired differences, Koehn, "Statistical significance tests for machine translation evaluation" (2004).
 */
import { FastvError } from '../../errors.js';
import { Random } from '../../scenes/random.js';
import { mean } from './caption.js';

export interface BootstrapOptions {
  /** Resamples drawn. */
  readonly resamples?: number;
  readonly seed?: number;
  /** Share of resamples inside the interval. */
  readonly confidence?: number;
}

export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

/**
 * A confidence interval of a statistic (the mean, if none is given) of samples.
 * @throws FastvError `invalid-input` if there are no samples; `invalid-option` for a senseless option
 */
export function bootstrapInterval<T = number>(
  samples: readonly T[],
  options: BootstrapOptions = {},
  statistic: (samples: readonly T[]) => number = (s) => mean(s as readonly number[]),
): Interval {
  const values = resampled(samples, options, statistic);
  const tail = (1 - (options.confidence ?? 0.95)) / 2;
  return { estimate: statistic(samples), low: quantile(values, tail), high: quantile(values, 1 - tail) };
}

export interface PairedDifference extends Interval {
  /** Two-sided: twice the smaller share of resamples on either side of no difference. */
  readonly pValue: number;
}

/**
 * The mean difference a − b of two systems on the same samples, with its interval and p-value.
 * @throws FastvError `invalid-input` if the two have not the same number of samples, or none
 */
export function pairedBootstrap(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): PairedDifference {
  if (a.length !== b.length) {
    throw new FastvError(
      'invalid-input',
      `paired bootstrap: ${a.length} and ${b.length} samples cannot be paired`,
    );
  }
  const differences = a.map((v, i) => v - (b[i] ?? 0));
  const values = resampled(differences, options, mean);
  const tail = (1 - (options.confidence ?? 0.95)) / 2;
  const below = values.filter((v) => v <= 0).length;
  const above = values.filter((v) => v >= 0).length;
  // one is added to both, so that no finite number of resamples gives a p-value of nothing
  const pValue = Math.min(1, (2 * (Math.min(below, above) + 1)) / (values.length + 1));
  return {
    estimate: mean(differences),
    low: quantile(values, tail),
    high: quantile(values, 1 - tail),
    pValue,
  };
}

function resampled<T>(
  samples: readonly T[],
  { resamples = 2000, seed = 0, confidence = 0.95 }: BootstrapOptions,
  statistic: (samples: readonly T[]) => number,
): number[] {
  if (samples.length === 0) throw new FastvError('invalid-input', 'bootstrap: there are no samples');
  if (!Number.isInteger(resamples) || resamples < 1 || !(confidence > 0 && confidence < 1)) {
    throw new FastvError('invalid-option', 'bootstrap: resamples ≥ 1 and 0 < confidence < 1 are needed');
  }
  const random = new Random(0x626f6f74, seed);
  const values = Array.from({ length: resamples }, () =>
    statistic(Array.from(samples, () => random.pick(samples))),
  );
  return values.sort((x, y) => x - y);
}

/** The q-quantile of sorted values, interpolated. */
function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? NaN, sorted[Math.ceil(at)] ?? NaN];
  return low + (high - low) * (at - Math.floor(at));
}
