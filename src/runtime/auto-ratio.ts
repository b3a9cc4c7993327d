// The largest R that keeps the answers to a few questions of one's own: the search, whatever answers. `calibrate` asks an
// opened model, and `ratio: 'auto'` the model that is being loaded.
import { FastvError } from '../errors.js';
import { mean } from '../statistics.js';

/**
 * How to calibrate.
 * @example
 * const options: CalibrateOptions = { ratios: [0.5, 0.75], agreement: 0.9 };
 */
export interface CalibrateOptions {
  /** The values of R to try; default 0.25, 0.5, 0.75, 0.9. */
  readonly ratios?: readonly number[];
  /** The share of answers that must stay the same, 0 … 1; default 1. */
  readonly agreement?: number;
  /** The longest answer; default 32. */
  readonly maxNewTokens?: number;
  readonly signal?: AbortSignal;
  /** Called after each answer, with how many of how many there are. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * What {@link calibrate} found, or `ratio: 'auto'`.
 * @example
 * const { ratio, tried }: Calibration = await calibrate(model, samples);
 */
export interface Calibration {
  /** The largest R at which, and below which, enough answers stay the same; 0 if there is none. */
  readonly ratio: number;
  /** Every R that was tried, ascending. */
  readonly tried: readonly {
    readonly ratio: number;
    /** The share of samples whose answer is that of the unpruned model. */
    readonly agreement: number;
    /** The paper's FLOPs over those of the unpruned model, mean over the samples; undefined if the config lacks the shape. */
    readonly flopsRatio: number | undefined;
  }[];
}

/** One answer of the search. */
export interface Tried {
  /** Equal for equal answers. */
  readonly answer: string;
  readonly flopsRatio: number | undefined;
}

/** How each question is asked. */
export interface Trial {
  readonly ratio: number;
  readonly maxNewTokens: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks every sample unpruned and at each R.
 * @throws {FastvError} `invalid-option` for values that make no sense
 */
export async function largestRatio<S>(
  samples: readonly S[],
  options: CalibrateOptions,
  answer: (sample: S, trial: Trial) => Promise<Tried>,
): Promise<Calibration> {
  const { agreement = 1, maxNewTokens = 32, signal, onProgress } = options;
  const ratios = [...new Set(options.ratios ?? [0.25, 0.5, 0.75, 0.9])].sort((a, b) => a - b);
  const refuse = (message: string, where: string, hint: string): FastvError =>
    new FastvError('invalid-option', message, { where, hint });
  if (samples.length === 0) throw refuse('there is nothing to ask', 'samples', 'Give some questions.');
  if (!(agreement > 0 && agreement <= 1))
    throw refuse(`${agreement} is no share of the answers`, 'agreement', 'More than 0, at most 1.');
  if (ratios.length === 0 || !ratios.every((ratio) => ratio > 0 && ratio <= 1))
    throw refuse('the values of R make no sense', 'ratios', 'Give some, each more than 0 and at most 1.');

  const total = samples.length * (1 + ratios.length);
  let done = 0;
  const same = ratios.map(() => 0);
  const flops: (number | undefined)[][] = ratios.map(() => []);
  for (const sample of samples) {
    const tryAt = async (ratio: number): Promise<Tried> => {
      const tried = await answer(sample, { ratio, maxNewTokens, signal });
      onProgress?.(++done, total);
      return tried;
    };
    const whole = await tryAt(0);
    for (const [i, ratio] of ratios.entries()) {
      const pruned = await tryAt(ratio);
      if (pruned.answer === whole.answer) same[i] = (same[i] ?? 0) + 1;
      flops[i]?.push(pruned.flopsRatio);
    }
  }
  const tried = ratios.map((ratio, i) => ({
    ratio,
    agreement: (same[i] ?? 0) / samples.length,
    flopsRatio: meanIfKnown(flops[i] ?? []),
  }));
  const lost = tried.findIndex((one) => one.agreement < agreement);
  const kept = lost === -1 ? tried : tried.slice(0, lost);
  return { ratio: kept.at(-1)?.ratio ?? 0, tried };
}

function meanIfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length < values.length ? undefined : mean(known);
}
