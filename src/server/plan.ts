// What a request may ask of the decoder itself: at which layer it prunes, what ranks, and what kept tokens stand for. That
// is part of the rewritten graph, so each plan is a decoder of its own, loaded when it is asked for.
import { FastvError } from '../errors.js';
import { settingsOf } from '../runtime/named-settings.js';
import type { PlugOptions } from '../runtime/options.js';
import { findPreset, findStrategy, type Standing, type Strategy } from '../strategies/index.js';
import { ApiError } from './api-error.js';
import type { FastvField } from './chat-request.js';

/** How a decoder is rewritten. */
export interface Plan extends Standing {
  readonly layers: readonly number[];
  readonly strategy: string | Strategy;
}

/** The plan of a model's options. @throws {FastvError} `invalid-option` */
export function planOf(options: PlugOptions): Plan {
  const { layers, strategy, weights, merge } = settingsOf(options);
  return { layers, strategy, ...(weights && { weights }), ...(merge && { merge }) };
}

/** What a plan stands in the place of; shares too, of which there may be one a stage: requests bring theirs. */
const REPLACED: ReadonlySet<string> = new Set([
  'layer',
  'strategy',
  'weights',
  'merge',
  'preset',
  'ratio',
  'budget',
]);

/** The same options with another plan. */
export function withPlan(options: PlugOptions, plan: Plan | undefined): PlugOptions {
  if (plan === undefined) return options;
  const { layers, strategy, ...standing } = plan;
  const kept = Object.entries(options).filter(([name]) => !REPLACED.has(name));
  return { ...Object.fromEntries(kept), layer: layers, strategy: findStrategy(strategy), ...standing };
}

/** Equal for equal plans. */
export function planKey({ layers, strategy, weights, merge }: Plan): string {
  return JSON.stringify([layers, findStrategy(strategy).name, weights, merge]);
}

/** Whether a request says something of the plan. */
export function saysPlan({ layer, strategy, weights, merge, preset }: FastvField): boolean {
  return [layer, strategy, weights, merge, preset].some((said) => said !== undefined);
}

/**
 * The plan that a request asks for: where it says nothing, the one that the server was started with.
 * @throws {ApiError} 400 naming the field
 */
export function askedPlan(field: FastvField, standard: Plan): Plan {
  const { layer, strategy, weights, merge, preset } = field;
  try {
    const method: Omit<Plan, 'layers'> =
      preset !== undefined
        ? findPreset(preset, 'preset')
        : strategy !== undefined
          ? { strategy: findStrategy(strategy, 'strategy') }
          : standard;
    const { strategy: named, weights: weighed, merge: merged } = method;
    return planOf({
      layer: layer ?? standard.layers,
      strategy: findStrategy(strategy ?? named, 'strategy'),
      ...((weights ?? weighed) && { weights: weights ?? weighed }),
      ...((merge ?? merged) && { merge: merge ?? merged }),
    });
  } catch (error) {
    throw planError(error);
  }
}

/** Why a plan cannot be, as its request is told. */
export function planError(error: unknown): unknown {
  if (error instanceof FastvError && ['invalid-option', 'unsupported-decoder'].includes(error.code)) {
    const { message, hint, where = '' } = error;
    const [param = 'layer'] = /(?<=^-{0,2})(?:layer|strategy|weights|merge|preset)$/u.exec(where) ?? [];
    return new ApiError(400, hint === undefined ? message : `${message}. ${hint}`, {
      param: `fastv.${param}`,
      code: 'invalid_value',
      cause: error,
    });
  }
  return error;
}
