// The largest R that keeps a model's answers on pictures of one's own.
import { FastvError } from '../errors.js';
import { mean } from '../statistics.js';
import type { Message } from './conversation.js';
import type { OpenedModel } from './model.js';

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
 * What {@link calibrate} found.
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

/**
 * Finds the largest R that keeps the answers to a few questions about pictures of one's own. Answers are greedy, and the
 * same means: equal texts. It says what happens on these samples; a handful of them is a hint, not a proof.
 * @param model opened with the plug: its strategy and layers are what is tried
 * @param samples conversations whose last message is the question
 * @throws {FastvError} `invalid-option` for a model without the plug, or values that make no sense
 * @example
 * const { ratio } = await calibrate(model, pictures.map((picture) => [{ role: 'user', text: 'What is this?', images: [picture] }]));
 * if (model.fastv !== undefined) model.fastv.ratio = ratio;
 */
export async function calibrate(
  model: OpenedModel,
  samples: readonly (readonly Message[])[],
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { agreement = 1, maxNewTokens = 32, signal, onProgress } = options;
  const ratios = [...new Set(options.ratios ?? [0.25, 0.5, 0.75, 0.9])].sort((a, b) => a - b);
  const refuse = (message: string, where: string, hint: string): FastvError =>
    new FastvError('invalid-option', message, { where, hint });
  if (model.fastv?.active !== true)
    throw refuse('this model does not prune', 'model', 'Open it with { fastv: { layer: 2 } }.');
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
    const inputs = await model.conversation.inputs(sample);
    const answer = async (ratio: number) => {
      const given = { maxNewTokens, ratio, greedy: true, ...(signal === undefined ? {} : { signal }) };
      const answered = await model.ask(inputs, given);
      onProgress?.(++done, total);
      return answered;
    };
    const { text } = await answer(0);
    for (const [i, ratio] of ratios.entries()) {
      const pruned = await answer(ratio);
      if (pruned.text === text) same[i] = (same[i] ?? 0) + 1;
      flops[i]?.push(pruned.report?.flopsRatio);
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
