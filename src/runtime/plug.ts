// The plug: a Transformers.js image-text model whose decoder prunes image tokens, with Transformers.js's own interface.
import { recogniseDecoder } from '../decoder/decoder.js';
import { FastvError } from '../errors.js';
import { decodeModel } from '../onnx/index.js';
import type { Sharing } from '../rewrite/rewrite.js';
import { insideGraph } from '../strategies/find.js';
import { checkStanding, type GraphStrategy, type Standing, type Strategy } from '../strategies/unlisted.js';
import { abortable } from './abort.js';
import type { FastvCall } from './call.js';
import { GREEDY } from './greedy.js';
import { handleOf, type FastvHandle, type Handle } from './handle.js';
import { hook } from './hook.js';
import { imageTokenIds } from './image-tokens.js';
import { configuredPositions, rotaryPositions, takesLeftPadding } from './limits.js';
import { loadPretrained, type DefaultDevice, type Loader } from './load-pretrained.js';
import { measuredDevice } from './measured-device.js';
import { nearestName, optionsObject, unknownOption } from './option-names.js';
import { withProcessorNodes } from './processor-nodes.js';
import {
  PLUG_OPTIONS,
  settingsAmong,
  strategiesMeant,
  type AutoOptions,
  type CallOptions,
  type PlugOptions,
  type Settings,
  type WarningListener,
} from './options.js';
import { Passes } from './passes.js';
import { exactInt8, int8Products } from './processor.js';
import {
  installSwap,
  type SessionClass,
  type SessionOptions,
  type SessionSource,
  type Swap,
} from './session-swap.js';
import { guarded, reasonOf } from './tell.js';
import { isDecoderModel, isHfTensor, isRecord, type HfModel } from './transformers.js';

export type { FastvHandle } from './handle.js';

/**
 * A class of Transformers.js that loads models: `AutoModelForImageTextToText`, or a family's own.
 * @example
 * const modelClass: ModelClass = AutoModelForImageTextToText;
 */
export interface ModelClass<M = unknown> {
  from_pretrained(name: string, options?: never): Promise<M>;
}

/** What a class loads. */
export type Loaded<C extends ModelClass> = Awaited<ReturnType<C['from_pretrained']>>;

/** The options of a load: fastv's, and those of the class's own `from_pretrained`. */
export type LoadOptions<C extends ModelClass> = (PlugOptions | AutoOptions) &
  OwnOptions<Parameters<C['from_pretrained']>[1]>;

/** Of a class that says nothing of its options, any. */
type OwnOptions<O> = [O] extends [undefined] ? Record<string, unknown> : NonNullable<O>;

/** Options that `generate` would ignore, because they belong into `fastv`. */
type Misplaced = Readonly<Partial<Record<Exclude<keyof PlugOptions, 'signal' | 'cache'>, never>>>;

/**
 * A model with the plug in: its `generate` takes the options of a call as `fastv`.
 * @example
 * let model: WithFastv<PreTrainedModel>;
 * await model.generate({ ...inputs, fastv: { ratio: 0.75 } });
 */
export type WithFastv<M> = (M extends { generate(options: infer O): infer R }
  ? (M extends (...given: infer A) => infer T ? (...given: A) => T : unknown) &
      Omit<M, 'generate'> & {
        generate(options: O & { readonly fastv?: CallOptions | FastvCall } & Misplaced): R;
      }
  : M) & { readonly fastv: FastvHandle };

/** What differs between Node and a browser. */
export interface Platform {
  /** Where models run unless the caller says otherwise. */
  readonly device: DefaultDevice;
  /** The session class of the ONNX Runtime that Transformers.js uses. */
  sessionClass(): Promise<SessionClass>;
  /** Whether ONNX Runtime is asked for a decoder. */
  isDecoder(source: SessionSource): boolean;
  /** The rewritten decoder to load in its place. */
  rewrite(source: SessionSource, request: RewriteRequest): Promise<SessionSource>;
  /** A model with uint8 weights in the place of int8, for processors whose int8 products saturate. */
  readonly unsigned: Swap;
  /** The bytes of a decoder's file. */
  bytes(source: SessionSource): Promise<Uint8Array>;
  /** Where the copies of ONNX Runtime that this process has loaded lie, as far as that can be told. */
  runtimes(): readonly string[];
}

/** How a decoder is to be rewritten. */
export interface RewriteRequest extends Standing {
  readonly layers: readonly number[];
  readonly strategy: GraphStrategy;
  readonly sharing?: Sharing | undefined;
  readonly mass?: boolean;
  readonly cache: boolean;
  readonly warn: WarningListener;
}

/** What `from_pretrained` of Transformers.js 4.3 takes. */
const LOAD_OPTIONS = [
  'progress_callback',
  'config',
  'cache_dir',
  'local_files_only',
  'revision',
  'model_file_name',
  'subfolder',
  'device',
  'dtype',
  'use_external_data_format',
  'session_options',
] as const;

/** A load, with its options checked. */
interface Load {
  readonly name: string;
  readonly settings: Settings;
  /** The strategies that its options may name. */
  readonly strategies: readonly Strategy[];
  readonly options: Omit<PlugOptions, 'ratio'>;
  /** What is asked to find R. */
  readonly auto: Pick<AutoOptions, 'samples' | 'calibrate'> | undefined;
  /** What goes to `from_pretrained`. */
  readonly loading: Record<string, unknown>;
  readonly warn: (...warning: Parameters<WarningListener>) => void;
}

/** Loads a model with FastV, on a given platform. */
export async function plug<C extends ModelClass>(
  platform: Platform,
  modelClass: C,
  name: string,
  given: LoadOptions<C> | undefined,
): Promise<WithFastv<Loaded<C>>> {
  checkClass(modelClass, name);
  let load = await loadOf(name, given);
  const { options, loading, warn } = load;
  const { signal } = options;
  signal?.throwIfAborted();
  const requestOf = async ({
    layers,
    strategy,
    perImage,
    mass,
    ...standing
  }: Settings): Promise<RewriteRequest> => ({
    layers,
    strategy: insideGraph(strategy),
    ...checkStanding(standing),
    sharing: perImage && { perImage, sharedOut: (await import('../strategies/pool.js')).sharedOut },
    ...(mass && { mass }),
    cache: options.cache ?? true,
    warn,
  });

  let rewritten = 0;
  let positions: number | undefined;
  let leftPadding: boolean | undefined;
  let refused: FastvError | undefined;
  const Session = await platform.sessionClass();
  installSwap(Session);
  const swap = async (source: SessionSource): Promise<SessionSource> => {
    if (!platform.isDecoder(source)) return source;
    signal?.throwIfAborted();
    try {
      if (load.settings.schedule !== undefined) {
        const { layers } = recogniseDecoder(decodeModel(await platform.bytes(source)));
        load = { ...load, settings: settingsAmong(load.strategies, options, layers.length) };
      }
      const replacement = await platform.rewrite(source, await requestOf(load.settings));
      const bytes = await platform.bytes(replacement);
      rewritten++;
      const decoder = decodeModel(bytes);
      positions = rotaryPositions(decoder);
      leftPadding = takesLeftPadding(decoder);
      const slow = await slowFormats(bytes, replacement.options, Session);
      if (slow !== undefined) warn(slow, 'slow-weights');
      return { ...replacement, options: withProcessorNodes(replacement.options, decoder) };
    } catch (error) {
      if (!isUnsupported(error) || options.onUnsupported !== 'warn') throw error;
      refused = error;
      return source;
    }
  };
  const model = await abortable(
    loadPretrained(
      modelClass as unknown as Loader,
      name,
      loading,
      exactInt8(Session, platform.unsigned, swap),
      platform.device,
    ),
    signal,
    dispose,
  );
  refused ??= refusal(model, rewritten, Session, platform, name);
  if (refused !== undefined && options.onUnsupported !== 'warn') {
    await dispose(model);
    throw refused;
  }
  if (refused !== undefined) warn(`${refused.message}; the original model runs, unpruned`, 'unsupported');
  try {
    const made = handled(model, load, { positions, leftPadding }, refused);
    const pruning = attach(model, made.handle) as WithFastv<Loaded<C>>;
    if (load.auto !== undefined && made.handle.active) await findRatio(pruning, made, load.auto, signal);
    return pruning;
  } catch (error) {
    await dispose(model);
    throw error;
  }
}

/** @throws {FastvError} `invalid-option` for what loads no models, or no name */
function checkClass(modelClass: unknown, name: unknown): void {
  const refuse = (message: string, where: string, hint: string): FastvError =>
    new FastvError('invalid-option', message, { where, hint });
  if (isRecord(modelClass) && typeof modelClass['from_pretrained'] === 'function') {
    if (typeof name === 'string' && name !== '') return;
    throw refuse('the name of the model is missing', 'name', 'A name on the Hugging Face hub, or a folder.');
  }
  const loaded = isRecord(modelClass) && ('sessions' in modelClass || 'model' in modelClass);
  throw loaded
    ? refuse(
        'a model that is loaded cannot be changed any more',
        'modelClass',
        'Give its class and name: fastv(AutoModelForImageTextToText, name, { … }). A pipeline takes the result as its model.',
      )
    : refuse(
        'this is no class that loads models',
        'modelClass',
        'Give one of Transformers.js’s, for example AutoModelForImageTextToText.',
      );
}

/** Checks the options of a load. @throws {FastvError} `invalid-option` */
async function loadOf(name: string, given: unknown = {}): Promise<Load> {
  const all = optionsObject(given, 'options', "{ layer: 2, ratio: 0.5, dtype: 'q4' }");
  const known = [...PLUG_OPTIONS, ...LOAD_OPTIONS];
  const strange: string[] = [];
  for (const option of Object.keys(all)) {
    if (known.some((one) => one === option)) continue;
    if (nearestName(option, known) !== undefined) throw unknownOption(option, { where: 'options', known });
    strange.push(option);
  }
  const options = Object.fromEntries(
    Object.entries(all).filter(([option]) => PLUG_OPTIONS.some((own) => own === option)),
  ) as PlugOptions | AutoOptions;
  const auto = options.ratio === 'auto' ? samplesOf(options) : undefined;
  if (auto === undefined && ('samples' in options || 'calibrate' in options)) {
    throw new FastvError('invalid-option', "samples are asked where R is found: with ratio: 'auto'", {
      where: 'samples' in options ? 'samples' : 'calibrate',
      hint: "Say ratio: 'auto', or leave it out.",
    });
  }
  const fixed = options.ratio === 'auto' ? { ...options, ratio: 0 } : options;
  const strategies = await strategiesMeant(fixed);
  const settings = settingsAmong(strategies, fixed);
  const inConsole = (message: string): void => {
    console.warn(`fastv: ${message}`);
  };
  const warn = guarded(options.onWarning ?? inConsole, (error) => {
    inConsole(`onWarning failed: ${reasonOf(error)}`);
  });
  for (const option of strange)
    warn(`fastv and Transformers.js 4.3 have no option "${option}"; it is passed on`, 'unknown-option');
  const loading = Object.fromEntries(Object.entries(all).filter(([option]) => !(option in options)));
  return { name, settings, strategies, options, auto, loading, warn };
}

/** @throws {FastvError} `invalid-option` for samples that are no model inputs */
function samplesOf({ samples, calibrate }: AutoOptions): Pick<AutoOptions, 'samples' | 'calibrate'> {
  const given: unknown = samples;
  if (
    !Array.isArray(given) ||
    given.length === 0 ||
    !given.every((one) => isRecord(one) && isHfTensor(one['input_ids']))
  ) {
    throw new FastvError('invalid-option', "ratio: 'auto' has nothing to ask", {
      where: 'samples',
      hint: 'Give what the processor makes of some questions with their pictures: samples: [await processor(prompt, picture)].',
    });
  }
  return { samples, ...(calibrate === undefined ? {} : { calibrate }) };
}

/** Finds R by a model's own answers, which are the same where their tokens are. */
async function findRatio(
  model: unknown,
  { handle, calibrated }: Handle,
  { samples, calibrate = {} }: Pick<AutoOptions, 'samples' | 'calibrate'>,
  signal?: AbortSignal,
): Promise<void> {
  const { largestRatio } = await import('./auto-ratio.js');
  const options = signal === undefined ? calibrate : { signal, ...calibrate };
  calibrated(
    await largestRatio(samples, options, async (inputs, { ratio, maxNewTokens, signal: ends }) => {
      const call = handle.call({ ratio, ...(ends === undefined ? {} : { signal: ends }) });
      const asked = { ...inputs, ...GREEDY, max_new_tokens: maxNewTokens, fastv: call };
      const sequences = await (model as HfModel).generate(asked);
      const answer = isHfTensor(sequences) ? Array.from(sequences.data).join() : '';
      return { answer, flopsRatio: call.report?.flopsRatio };
    }),
  );
}

/** What is to be said of a decoder's weights on a device of which something is known. */
async function slowFormats(
  bytes: Uint8Array,
  options: SessionOptions,
  Session: SessionClass,
): Promise<string | undefined> {
  if (measuredDevice(options) === undefined) return undefined;
  const { slowWeights } = await import('./slow-weights.js');
  return slowWeights(bytes, options, await int8Products(Session));
}

/** `onUnsupported: 'warn'` is about decoders that cannot be pruned, not about what was asked for, or files that are broken. */
function isUnsupported(error: unknown): error is FastvError {
  return error instanceof FastvError && error.code === 'unsupported-decoder';
}

/** Why a model that was loaded does not prune, if it does not. */
function refusal(
  model: unknown,
  rewritten: number,
  Session: SessionClass,
  platform: Platform,
  name: string,
): FastvError | undefined {
  const refuse = (message: string, hint: string): FastvError =>
    new FastvError('unsupported-decoder', message, { where: name, hint });
  if (isRecord(model) && 'fastv' in model) {
    return refuse(
      'this model prunes already',
      'The class that was given loads with fastv itself: call it once.',
    );
  }
  const sessions = isRecord(model) && isRecord(model['sessions']) ? Object.values(model['sessions']) : [];
  const Class = Session as unknown as new () => unknown;
  if (rewritten === 0 && sessions.some((session) => !(session instanceof Class))) {
    const copies = platform.runtimes();
    return refuse(
      'Transformers.js runs another copy of ONNX Runtime than the one that fastv found',
      `There must be one copy: npm dedupe, or one version of @huggingface/transformers.${copies.map((path) => `\n  ${path}`).join('')}`,
    );
  }
  if (!isDecoderModel(model)) {
    return refuse(
      'this is no image-text model of Transformers.js',
      'It must have a decoder_model_merged; take AutoModelForImageTextToText.',
    );
  }
  if (rewritten > 0) return undefined;
  return refuse(
    'this model was loaded without a decoder that could be rewritten',
    'It must have a decoder_model_merged that takes inputs_embeds.',
  );
}

/** Hooks a model, and makes its handle. */
function handled(
  model: unknown,
  load: Load,
  decoder: { readonly positions: number | undefined; readonly leftPadding: boolean | undefined },
  reason?: FastvError,
): Handle {
  const { settings, options, warn } = load;
  let padded = false;
  let unranked = false;
  const active = reason === undefined;
  const made = handleOf(settings, (call) => passes.call(call), reason);
  const hf = isDecoderModel(model) ? model : undefined;
  const config = hf?.config ?? {};
  const positions = decoder.positions ?? configuredPositions(config);
  const told = guarded(options.onPrefill, (error) => {
    warn(`onPrefill failed: ${reasonOf(error)}`, 'listener');
  });
  const passes: Passes = new Passes({
    config,
    imageIds: active ? imageTokenIds(config) : new Set(),
    settings: active ? settings : undefined,
    leftPadding: decoder.leftPadding ?? takesPositions(hf),
    positions,
    defaults: made.defaults,
    onPrefill: (done) => {
      made.report(done);
      told(done);
    },
    onUnranked: () => {
      if (unranked) return;
      unranked = true;
      warn(
        'a prompt kept all its image tokens: what ranks them came out as no number, or as nothing for every one, and by place alone none are dropped. Choose another layer or strategy',
        'unranked',
      );
    },
    onLeftPadding: () => {
      if (padded) return;
      padded = true;
      warn(
        'rows are padded on the left, but this decoder cannot tell padding from text (it has no position_ids, or an attention that knows lengths only), so that those rows’ answers may be wrong. Batch rows of one length',
        'left-padding',
      );
    },
  });
  if (hf !== undefined) hook(hf, passes, active ? settings.layers : [], positions);
  return made;
}

/** Whether a model's decoder is told positions. */
function takesPositions(model: HfModel | undefined): boolean {
  return model?.sessions['decoder_model_merged']?.inputNames.includes('position_ids') === true;
}

async function dispose(model: unknown): Promise<void> {
  if (isRecord(model) && typeof model['dispose'] === 'function')
    await (model as unknown as { dispose(): Promise<unknown> }).dispose();
}

function attach(model: unknown, handle: FastvHandle): unknown {
  return Object.defineProperty(model, 'fastv', { value: handle, enumerable: false });
}
