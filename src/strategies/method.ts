// A way of pruning: what ranks or picks the tokens, and what the kept ones stand for. By name `scope+sizes+mean`: picks
// of scope, weighed by the sizes of their clusters, with the means of those.
import { FastvError } from '../errors.js';
import type { Strategy } from './strategy.js';
import type { StrategyName } from './list.js';
import { SCHEDULES, type ScheduleName } from './schedule.js';

/** What kept tokens stand for. */
export interface Standing {
  /**
   * `sizes`: a kept image token stands for the dropped ones most like it; the attention of the layers after the cut
   * counts it as many times, at prefill (`log(size)` on its scores). Default: every token counts once.
   */
  readonly weights?: 'sizes';
  /** `mean`: a kept image token goes on with the mean of those that it stands for. Default: with its own state. */
  readonly merge?: 'mean';
}

/** How images share what is kept: each the same, or by the attention that the last token pays them. */
export type PerImage = 'even' | 'attention';

/** What {@link PerImage} is called in a method's name. */
export const SHARES: Readonly<Record<PerImage, string>> = {
  even: 'even-images',
  attention: 'attended-images',
};

/** A way of pruning by a listed strategy. */
export interface Method extends Standing {
  readonly strategy: StrategyName;
  /** How the images of a prompt share what is kept; default: all are picked from as one. */
  readonly perImage?: PerImage;
  /** At which layers how much stays; default: what else says so (K and R). */
  readonly schedule?: ScheduleName;
}

/** Ways of pruning that have a name of their own. */
export const PRESETS = {
  /** Picks that cover the image, weighed by what they stand for: for R of 75 % and more. */
  sizes: { strategy: 'scope', weights: 'sizes', merge: 'mean' },
  /** Schedules, each with the rule of its paper. */
  pyramid: { strategy: 'attention', schedule: 'pyramid' },
  late: { strategy: 'attention', schedule: 'late' },
  sparsevlm: { strategy: 'attention-text', schedule: 'sparsevlm' },
  v2drop: { strategy: 'v2drop', schedule: 'v2drop' },
  horizon: { strategy: 'scope', schedule: 'horizon' },
} as const satisfies Readonly<Record<string, Method>> & Readonly<Record<ScheduleName, Method>>;

/** The name of a preset: a strategy with what its kept tokens stand for, or with a schedule. */
export type PresetName = keyof typeof PRESETS;

/** The names of {@link PRESETS}. */
export const presetNames = Object.keys(PRESETS) as readonly PresetName[];

/** Those that leave it to others at which layer how much stays. */
export const standingPresets = presetNames.filter((name) => !(name in SCHEDULES));

/** A preset by its name. @throws {FastvError} `invalid-option` listing the names */
export function findPreset(name: string, where = '--preset'): Method {
  const found = presetNames.find((one) => one === name);
  if (found !== undefined) return PRESETS[found];
  throw new FastvError('invalid-option', `there is no preset ${JSON.stringify(name)}`, {
    where,
    hint: `Choose among ${presetNames.join(', ')}.`,
  });
}

/** Checks what kept tokens are to stand for: from JavaScript, anything may come. @throws {FastvError} `invalid-option` */
export function checkStanding(given: { readonly [name in keyof Standing]: unknown }): Standing {
  const { weights, merge } = given;
  if (weights !== undefined && weights !== 'sizes') throw refuse('weights', weights, "'sizes'");
  if (merge !== undefined && merge !== 'mean') throw refuse('merge', merge, "'mean'");
  return { ...(weights === undefined ? {} : { weights }), ...(merge === undefined ? {} : { merge }) };
}

function refuse(option: string, given: unknown, known: string): FastvError {
  return new FastvError('invalid-option', `${option} cannot be ${JSON.stringify(given)}`, {
    where: option,
    hint: `Choose ${known}, or leave it out.`,
  });
}

/** A method's name, as conditions and plots have it. */
export function methodName({
  strategy,
  weights,
  merge,
  schedule,
  perImage,
}: Omit<Method, 'strategy'> & { readonly strategy: string | Strategy }): string {
  if (schedule !== undefined) return `preset-${schedule}`;
  const name = typeof strategy === 'string' ? strategy : strategy.name;
  const shares = perImage && SHARES[perImage];
  return [name, weights, merge, shares].filter((part) => part !== undefined).join('+');
}
