// What a caller can ask of the plug, and the checks of it.
import { FastvError } from '../errors.js';
import { attention } from '../strategies/attention.js';
import { findAmong, insideGraph } from '../strategies/find.js';
import {
  checkStanding,
  DEFAULT_STRATEGY,
  findPreset,
  stagesOf,
  type PresetName,
  type ScheduleName,
  type Standing,
  type Strategy,
  type StrategyName,
} from '../strategies/unlisted.js';
import type { CalibrateOptions } from './auto-ratio.js';
import { nearestName, optionsObject, unknownOption } from './option-names.js';

/**
 * What can change from call to call.
 * @example
 * await model.generate({ ...inputs, fastv: { ratio: 0.75, signal: AbortSignal.timeout(3000) } });
 */
export interface CallOptions {
  /** R in [0, 1]: the share of image tokens to drop; an array gives one a stage. */
  readonly ratio?: number | readonly number[];
  /** Image tokens to keep (of the row that has the most), in place of `ratio`. */
  readonly budget?: number;
  /**
   * As many image tokens as hold a share of the attention that the last token pays them, between a least share of the
   * tokens (default 0.02) and a greatest (default 1), in place of `ratio`: `0.9`, or `{ share: 0.9, least: 0.05 }`. The
   * decoder is made for it where the options of the load have one.
   */
  readonly mass?: number | MassOptions;
  /** Seed of a strategy that draws (`random`); an array gives one a row, each of which is then drawn as if it were alone. */
  readonly seed?: number | readonly number[];
  /**
   * Ends the call: `generate` then rejects with the signal's reason, between two tokens. (What ONNX Runtime has begun it
   * ends.) Among the options of `fastv(…)` it ends the load.
   */
  readonly signal?: AbortSignal;
}

/** A budget by attention. */
export interface MassOptions {
  /** The share of the attention to a row's image tokens that kept ones hold: 0 … 1. */
  readonly share: number;
  /** The least share of the tokens that is kept. Default 0.02. */
  readonly least?: number;
  /** The greatest. Default 1. */
  readonly greatest?: number;
}

/**
 * What a warning is about:
 * - `slow-weights`: weights in a slow format for the device;
 * - `not-cached`: a rewritten decoder that could not be kept on disk;
 * - `unsupported`: a decoder that runs unpruned (`onUnsupported: 'warn'`);
 * - `unranked`: scores that said nothing, so that no image token was dropped;
 * - `left-padding`: rows padded on the left, which this decoder cannot tell from text;
 * - `unknown-option`: an option of the load that neither fastv nor Transformers.js has;
 * - `listener`: a listener of the caller's that threw.
 */
export type WarningKind =
  'slow-weights' | 'not-cached' | 'unsupported' | 'unranked' | 'left-padding' | 'unknown-option' | 'listener';

/** Takes warnings. What it throws ends nothing. */
export type WarningListener = (message: string, kind: WarningKind) => unknown;

/**
 * What is fixed when the model is loaded.
 * @example
 * const options: PlugOptions = { layer: 2, ratio: 0.5, onWarning: (message, kind) => log.warn({ kind }, message) };
 */
export interface PlugOptions extends CallOptions {
  /** K: the layer from which on only the kept tokens are seen; an array gives several stages. Default 2. */
  readonly layer?: number | readonly number[];
  /** What ranks the image tokens: a strategy of the list by its name, or one of your own. Default `attention`, the paper's. */
  readonly strategy?: StrategyName | Strategy;
  /**
   * `'sizes'`: a kept image token stands for the dropped ones most like it, and the attention of the layers after the cut
   * counts it as many times. Default: every token counts once.
   */
  readonly weights?: 'sizes';
  /** `'mean'`: a kept image token goes on with the mean of those that it stands for. Default: with its own state. */
  readonly merge?: 'mean';
  /**
   * A strategy, weights and merge by one name; what is given besides takes their place. `'sizes'`: picks that cover the
   * image, weighed by what they stand for, with their means; for R of 75 % and more. `pyramid`, `late`, `sparsevlm`,
   * `v2drop` and `horizon` are schedules, which say at which layers how much stays too.
   */
  readonly preset?: PresetName;
  /**
   * Shares for the images of a prompt: `'even'`, the same for each, or by the `'attention'` that the last token pays them;
   * one token at least. Strategies that pick a set then pick from each by itself, which is quicker where there are many.
   * Default: from all images as one.
   */
  readonly perImage?: 'even' | 'attention';
  /** A layer, behind those of `layer`, from which on no image token is seen at all. */
  readonly dropAll?: number;
  /**
   * What to do with a decoder that cannot be pruned: `throw` (default) or `warn` and load the original.
   * @see FastvHandle.active
   */
  readonly onUnsupported?: 'throw' | 'warn';
  /** Called after every prefill with what it did. What it throws ends nothing. */
  readonly onPrefill?: (report: PrefillReport) => unknown;
  /** Called with warnings and what they are about; default: `console.warn`. A function that does nothing silences them. */
  readonly onWarning?: WarningListener;
  /** `false`: rewrite in memory at every load and write no file. Default true (a browser never writes). */
  readonly cache?: boolean;
}

/**
 * The same where R is found at the load: the largest that keeps the answers to questions of one's own.
 * `model.fastv.calibration` says what was tried.
 * @example
 * const samples = [await processor(prompt, picture), await processor(prompt, another)];
 * const options: AutoOptions = { layer: 2, ratio: 'auto', samples, calibrate: { agreement: 0.9 } };
 */
export interface AutoOptions extends Omit<PlugOptions, 'ratio' | 'budget' | 'mass'> {
  readonly ratio: 'auto';
  /** What is asked: what the model's processor makes of a question with its pictures, a batch of one each. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** Which R are tried, and how much must stay. */
  readonly calibrate?: CalibrateOptions;
}

/** One image's tokens in one row of a call. */
export interface ImageReport {
  /** Position of its first token in the call's sequence. */
  readonly start: number;
  /** Its tokens. They lie as `rows` × `columns`, row by row (1 × n where the grid is not known). */
  readonly tokens: number;
  /** Rows of its grid. */
  readonly rows: number;
  /** Columns of its grid. */
  readonly columns: number;
  /** The kept tokens: `index` counts the image's tokens from 0. */
  readonly kept: readonly { readonly index: number; readonly row: number; readonly column: number }[];
}

/** What happened to one row of the batch. */
export interface RowReport {
  /** Length of the call's sequence, padding included. */
  readonly sequence: number;
  /** Image tokens of the row before pruning. */
  readonly imageTokens: number;
  /** Image tokens of the row after the last stage. */
  readonly keptImageTokens: number;
  /** All kept positions of the call's sequence, ascending. */
  readonly keptIndices: readonly number[];
  /** The row's images, in the order of their tokens. */
  readonly images: readonly ImageReport[];
}

/** What the last prefill did, and what decoding has cost since. */
export interface PrefillReport {
  /** K of each stage. */
  readonly layer: readonly number[];
  /** R of each stage, as it was asked for; a budget is turned into one. */
  readonly ratio: readonly number[];
  /** The strategy's name. */
  readonly strategy: string;
  /** What kept tokens stand for; absent where for themselves. */
  readonly weights?: 'sizes';
  readonly merge?: 'mean';
  /** How images share what is kept; absent where they do not. */
  readonly perImage?: 'even' | 'attention';
  /** What happened to each row of the batch. */
  readonly rows: readonly RowReport[];
  /** Tokens of this call that each layer really saw (padding included). */
  readonly layerTokens: readonly number[];
  /**
   * The paper's FLOPs of {@link layerTokens} over those of the whole sequence; undefined if the config lacks the shape.
   */
  readonly flopsRatio: number | undefined;
  /** Bytes of the KV cache after this prefill, and what it would have without pruning. */
  readonly kvBytes: { readonly pruned: number; readonly full: number };
  /** Milliseconds inside ONNX Runtime; `decode` grows while the answer is generated. */
  readonly ms: { readonly vision: number; readonly prefill: number; readonly decode: number };
  /** Decoding steps since this prefill. */
  readonly decodeSteps: number;
}

/** Options with the defaults filled in. */
export interface Settings extends Standing {
  readonly layers: readonly number[];
  readonly strategy: Strategy;
  readonly perImage?: 'even' | 'attention';
  /** Whether the decoder is made for budgets by attention. */
  readonly mass?: boolean;
  /** Whether the last layer is that of `dropAll`. */
  readonly dropsAll?: boolean;
  /** The schedule that layers and ratios follow from, and the depth of the decoder. */
  readonly schedule?: ScheduleName;
  readonly call: CallOptions;
}

/** The strategies that options may name: the paper's, or all where another may be meant, whose code is then fetched. */
export async function strategiesMeant({
  strategy,
  preset,
  layer,
}: PlugOptions): Promise<readonly Strategy[]> {
  const named = typeof strategy === 'string' && strategy !== DEFAULT_STRATEGY;
  // K = 0 leaves the paper's nothing to look at: who asks for it is told which strategies can do without
  if (!named && preset === undefined && [layer].flat()[0] !== 0) return [attention];
  return (await import('../strategies/list.js')).strategies;
}

/**
 * Checks and completes options.
 * @param strategies those that may be named: what {@link strategiesMeant} gave, or all
 * @param depth layers of the decoder, by which a schedule is laid out; before it is known, those of LLaVA-1.5-7B
 * @throws {FastvError} `invalid-option`
 */
export function settingsAmong(strategies: readonly Strategy[], options: PlugOptions, depth = 32): Settings {
  checkListeners(options);
  checkSignal(options.signal);
  // only what is not said has a default: null is a mistake
  const preset = options.preset === undefined ? undefined : findPreset(options.preset, 'preset');
  const scheduled = preset?.schedule === undefined ? undefined : stagesOf(preset.schedule, depth);
  if (scheduled !== undefined) refuseBeside(options, String(options.preset));
  const given = options.layer === undefined ? [2] : [options.layer].flat();
  const { dropAll, perImage } = options;
  const layers = scheduled?.layers ?? (dropAll === undefined ? given : [...given, dropAll]);
  const { strategy = preset?.strategy ?? DEFAULT_STRATEGY } = options;
  const { weights = preset?.weights, merge = preset?.merge } = options;
  const found = findAmong(strategies, strategy, 'strategy');
  if (found.where === 'graph' && found.needsScores === true) {
    throw refuse(
      'strategy',
      `${JSON.stringify(found.name)} needs scores, which the plug has none of`,
      "write a strategy with where: 'caller' and scores(row, draw)",
    );
  }
  if (layers.length === 0) throw refuse('layer', 'no layer is given', 'give one number, for example 2');
  layers.forEach((layer, index) => {
    const previous = layers[index - 1];
    if (!Number.isInteger(layer) || layer < 0) {
      throw refuse(
        'layer',
        `${String(layer)} is no layer`,
        'choose a whole number from 0; the paper takes 2',
      );
    }
    if (previous !== undefined && layer <= previous) {
      throw refuse('layer', 'stages must be at ascending layers', 'for example [2, 8]');
    }
  });
  if (layers[0] === 0 && insideGraph(found).needsLayer) {
    throw refuse(
      'layer',
      `before layer 0 there is no attention to rank by, as the strategy ${found.name} does`,
      `choose layer 1 or more, or a strategy that needs none: ${strategies
        .filter((one) => !insideGraph(one).needsLayer)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  }
  if (perImage !== undefined && (perImage as unknown) !== 'even' && (perImage as unknown) !== 'attention') {
    throw refuse('perImage', `${shown(perImage)} is no choice`, "choose 'even' or 'attention'");
  }
  const call = checkCall(options);
  const mass = options.mass !== undefined;
  if (mass && layers[0] === 0) {
    throw refuse('mass', 'before layer 0 there is no attention to go by', 'choose layer 1 or more');
  }
  const own = layers.length - (dropAll === undefined ? 0 : 1);
  if (Array.isArray(call.ratio) && call.ratio.length !== own) {
    throw refuse('ratio', `${call.ratio.length} ratios for ${own} layers`, 'give one ratio a layer');
  }
  return {
    layers,
    strategy: found,
    ...checkStanding({ weights, merge }),
    ...(perImage && { perImage }),
    ...(mass && { mass }),
    ...(dropAll !== undefined && { dropsAll: true }),
    ...(preset?.schedule && { schedule: preset.schedule }),
    call: saysHowMuch(call) ? call : { ...call, ratio: scheduled?.ratios ?? 0.5 },
  };
}

/** Whether a call says how much is pruned. */
export function saysHowMuch({ ratio, budget, mass }: CallOptions): boolean {
  return ratio !== undefined || budget !== undefined || mass !== undefined;
}

/** A schedule says itself what these would say. */
function refuseBeside(options: PlugOptions, preset: string): void {
  for (const name of ['layer', 'ratio', 'budget', 'mass', 'dropAll'] as const) {
    if (options[name] === undefined) continue;
    throw refuse(name, `the preset ${preset} says at which layers how much stays`, 'give one of the two');
  }
}

/** Checks what is done with what happens: from JavaScript, anything may come. */
function checkListeners(options: { readonly [name in keyof PlugOptions]: unknown }): void {
  const { onUnsupported, cache, onPrefill, onWarning } = options;
  if (onUnsupported !== undefined && onUnsupported !== 'throw' && onUnsupported !== 'warn') {
    throw refuse('onUnsupported', `${shown(onUnsupported)} is no choice`, "choose 'throw' or 'warn'");
  }
  for (const [name, listener] of Object.entries({ onPrefill, onWarning })) {
    if (listener !== undefined && typeof listener !== 'function') {
      throw refuse(
        name,
        `${shown(listener)} is no function`,
        `for example ${name}: (what) => console.log(what)`,
      );
    }
  }
  if (cache !== undefined && typeof cache !== 'boolean') {
    throw refuse('cache', `${shown(cache)} is neither true nor false`, 'choose true or false');
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** The names of {@link CallOptions}. */
export const CALL_OPTIONS = [
  'ratio',
  'budget',
  'mass',
  'seed',
  'signal',
] as const satisfies (keyof CallOptions)[];

/** The names of {@link PlugOptions} and {@link AutoOptions}. */
export const PLUG_OPTIONS = [
  ...CALL_OPTIONS,
  'layer',
  'strategy',
  'weights',
  'merge',
  'preset',
  'perImage',
  'dropAll',
  'onUnsupported',
  'onPrefill',
  'onWarning',
  'cache',
  'samples',
  'calibrate',
] as const satisfies (keyof PlugOptions | keyof AutoOptions)[];

/**
 * Checks the options of one call, names included.
 * @throws {FastvError} `invalid-option`
 */
export function callOptions(given: unknown): CallOptions {
  const options = optionsObject(given, 'fastv', 'generate({ ...inputs, fastv: { ratio: 0.75 } })');
  const fixed = PLUG_OPTIONS.filter((name) => !CALL_OPTIONS.some((own) => own === name));
  for (const name of Object.keys(options)) {
    if (CALL_OPTIONS.some((own) => own === name)) continue;
    const atLoad = fixed.find((one) => one === name || one === nearestName(name, PLUG_OPTIONS));
    throw unknownOption(name, {
      where: 'fastv',
      known: CALL_OPTIONS,
      hint:
        atLoad && `${atLoad} is fixed when the model is loaded: fastv(modelClass, name, { ${atLoad}: … }).`,
    });
  }
  const { signal } = options;
  checkSignal(signal);
  return { ...checkCall(options), ...(signal === undefined ? {} : { signal }) };
}

function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw refuse('signal', 'this is no AbortSignal', 'for example AbortSignal.timeout(3000)');
}

/**
 * Checks the values of what says how much is pruned.
 * @throws {FastvError} `invalid-option`
 */
export function checkCall(options: Omit<CallOptions, 'signal'>): Omit<CallOptions, 'signal'> {
  const { ratio, budget, mass, seed } = options;
  if (ratio !== undefined && budget !== undefined) {
    throw refuse('budget', 'ratio and budget exclude each other', 'give one of them');
  }
  if (mass !== undefined && (ratio !== undefined || budget !== undefined)) {
    throw refuse('mass', 'mass excludes ratio and budget', 'give one of them');
  }
  if (mass !== undefined) massOf(mass);
  // from JavaScript, anything may come
  for (const value of ratio === undefined ? [] : ([ratio].flat() as unknown[])) {
    if (!(typeof value === 'number' && value >= 0 && value <= 1)) {
      throw refuse(
        'ratio',
        `R = ${String(value)} is no share of tokens`,
        value === 'auto'
          ? "'auto' is found at a load, of questions: fastv(modelClass, name, { ratio: 'auto', samples: [inputs, …] })"
          : 'choose R from 0 (drop nothing) to 1 (drop every image token)',
      );
    }
  }
  if (budget !== undefined && !(Number.isInteger(budget) && budget >= 0)) {
    throw refuse('budget', `${String(budget)} is no number of tokens`, 'choose a whole number, 0 or more');
  }
  for (const value of seed === undefined ? [] : [seed].flat()) {
    if (!Number.isSafeInteger(value)) {
      throw refuse('seed', `${String(value)} is no seed`, 'choose a whole number');
    }
  }
  return {
    ...(ratio === undefined ? {} : { ratio }),
    ...(budget === undefined ? {} : { budget }),
    ...(mass === undefined ? {} : { mass }),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** A budget by attention, completed. @throws {FastvError} `invalid-option` */
export function massOf(given: unknown): Required<MassOptions> {
  const options = typeof given === 'number' ? { share: given } : given;
  const { share, least = 0.02, greatest = 1, ...rest } = optionsObject(options, 'mass', '0.9');
  const [other] = Object.keys(rest);
  if (other !== undefined)
    throw unknownOption(other, { where: 'mass', known: ['share', 'least', 'greatest'] });
  const isShare = (x: unknown): x is number => typeof x === 'number' && x >= 0 && x <= 1;
  for (const [name, x] of Object.entries({ share, least, greatest })) {
    if (!isShare(x)) throw refuse('mass', `${name} = ${shown(x)} is no share`, 'choose 0 … 1');
  }
  if (!isShare(share) || !isShare(least) || !isShare(greatest) || least > greatest)
    throw refuse('mass', 'the least share is above the greatest', 'for example { share: 0.9, least: 0.05 }');
  return { share, least, greatest };
}

function refuse(option: string, message: string, hint: string): FastvError {
  return new FastvError('invalid-option', message, { where: option, hint });
}
