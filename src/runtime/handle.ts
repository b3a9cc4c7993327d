// What the plug adds to a model: `model.fastv`.
import { FastvError } from '../errors.js';
import type { Calibration } from './auto-ratio.js';
import type { Call, FastvCall } from './call.js';
import { unknownOption } from './option-names.js';
import { checkCall, type CallOptions, type PrefillReport, type Settings } from './options.js';

/**
 * What the plug adds to a model.
 * @example
 * const model = await fastv(AutoModelForImageTextToText, name, { layer: 2 });
 * model.fastv.ratio = 0.75; // for the calls that say nothing themselves
 * const call = model.fastv.call({ budget: 64 });
 * await model.generate({ ...inputs, fastv: call });
 * console.log(call.report?.rows[0]?.keptImageTokens, call.ms.prefill);
 */
export interface FastvHandle {
  /** false if `onUnsupported: 'warn'` was asked for and the original decoder is running. */
  readonly active: boolean;
  /** Why not, if not. */
  readonly reason: FastvError | undefined;
  /** K of each stage; fixed when the model is loaded. */
  readonly layer: readonly number[];
  /** The strategy's name; fixed when the model is loaded. */
  readonly strategy: string;
  /** R of calls that say nothing themselves; setting it clears `budget`. */
  ratio: number | readonly number[] | undefined;
  /** The budget of calls that say nothing themselves; setting it clears `ratio`. */
  budget: number | undefined;
  /** The seed of calls that say nothing themselves. */
  seed: number | readonly number[] | undefined;
  /** How `ratio: 'auto'` found R; undefined where R was given. */
  readonly calibration: Calibration | undefined;
  /** What the last prefill of any call did. Of calls that run at the same time, {@link call} tells each one's own. */
  readonly last: PrefillReport | undefined;
  /**
   * A call of its own, to be given to one `generate` as `fastv`: its report and times are then that call's.
   * @throws {FastvError} `invalid-option`
   */
  call(options?: CallOptions): FastvCall;
}

const SETTABLE = ['ratio', 'budget', 'seed'] as const;

/** A handle, and what the plug does with it. */
export interface Handle {
  readonly handle: FastvHandle;
  /** The options of calls that say nothing themselves. */
  readonly defaults: () => CallOptions;
  /** Takes the report of a prefill. */
  readonly report: (report: PrefillReport) => void;
  /** Takes the R that was found. */
  readonly calibrated: (calibration: Calibration) => void;
}

/**
 * Makes a handle. What cannot be changed throws a typed error when it is assigned to.
 * @param call makes a call of options
 */
export function handleOf(
  settings: Settings,
  call: (options: CallOptions) => Call,
  reason?: FastvError,
): Handle {
  let defaults = settings.call;
  let last: PrefillReport | undefined;
  let calibration: Calibration | undefined;
  const replace = (change: CallOptions, name: string): void => {
    if (Object.values(change).includes(undefined)) {
      throw new FastvError('invalid-option', `${name} cannot be undefined`, {
        where: `model.fastv.${name}`,
        hint: 'Give a number.',
      });
    }
    const kept = name === 'seed' ? defaults : defaults.seed === undefined ? {} : { seed: defaults.seed };
    defaults = { ...kept, ...checkCall(change) };
  };
  const handle: FastvHandle = {
    active: reason === undefined,
    reason,
    layer: Object.freeze([...settings.layers]),
    strategy: settings.strategy.name,
    get ratio() {
      return defaults.ratio;
    },
    set ratio(ratio) {
      replace({ ratio } as CallOptions, 'ratio');
    },
    get budget() {
      return defaults.budget;
    },
    set budget(budget) {
      replace({ budget } as CallOptions, 'budget');
    },
    get seed() {
      return defaults.seed;
    },
    set seed(seed) {
      replace({ seed } as CallOptions, 'seed');
    },
    get calibration() {
      return calibration;
    },
    get last() {
      return last;
    },
    call: (options = {}) => call(options),
  };
  const guarded = new Proxy(handle, {
    set(target, name, value) {
      if (SETTABLE.some((own) => own === name)) return Reflect.set(target, name, value);
      throw Object.hasOwn(target, name)
        ? new FastvError('invalid-option', `${String(name)} is fixed when the model is loaded`, {
            where: `model.fastv.${String(name)}`,
            hint: 'Load the model again with another value.',
          })
        : unknownOption(String(name), { where: 'model.fastv', known: SETTABLE });
    },
  });
  return {
    handle: guarded,
    defaults: () => defaults,
    report: (report) => void (last = report),
    calibrated: (found) => {
      calibration = found;
      replace({ ratio: found.ratio }, 'ratio');
      last = undefined; // the questions that were tried are no calls of the user's
    },
  };
}
