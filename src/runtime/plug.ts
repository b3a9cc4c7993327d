// The plug: a Transformers.js image-text model whose decoder prunes image tokens, with Transformers.js's own interface.
import { FastvError } from '../errors.js';
import { findStrategy, graphStrategy, type GraphStrategy } from '../strategies/index.js';
import { imageTokenIds } from './image-tokens.js';
import {
  checkCall,
  settingsOf,
  type CallOptions,
  type PlugOptions,
  type PrefillReport,
  type Settings,
  type WarningListener,
} from './options.js';
import { Passes } from './passes.js';
import { prunedSession } from './pruned-session.js';
import {
  installSwap,
  withSwap,
  type SessionClass,
  type SessionOptions,
  type SessionSource,
} from './session-swap.js';
import { slowWeights } from './slow-weights.js';
import {
  isDecoderModel,
  isHfTensor,
  isRecord,
  type ForwardInputs,
  type HfModel,
  type OrtSession,
  type OrtTensor,
} from './transformers.js';

/** A class of Transformers.js that loads models: `AutoModelForImageTextToText`, or a family's own. */
export interface ModelClass<M> {
  from_pretrained(name: string, options?: Record<string, unknown>): Promise<M>;
}

/** What the plug adds to a model. */
export interface FastvHandle {
  /** false if `onUnsupported: 'warn'` was asked for and the original decoder is running. */
  readonly active: boolean;
  /** Why not, if not. */
  readonly reason: FastvError | undefined;
  readonly layer: readonly number[];
  /** The strategy's name. */
  readonly strategy: string;
  /** R of calls that say nothing themselves; setting it clears `budget`. */
  ratio: number | readonly number[] | undefined;
  /** The budget of calls that say nothing themselves; setting it clears `ratio`. */
  budget: number | undefined;
  /** What the last prefill did. */
  readonly last: PrefillReport | undefined;
}

/** A model with the plug in. */
export type WithFastv<M> = M & { readonly fastv: FastvHandle };

/** What differs between Node and a browser. */
export interface Platform {
  /** The session class of the ONNX Runtime that Transformers.js uses. */
  sessionClass(): Promise<SessionClass>;
  /** Whether ONNX Runtime is asked for a decoder. */
  isDecoder(source: SessionSource): boolean;
  /** The rewritten decoder to load in its place. */
  rewrite(source: SessionSource, request: RewriteRequest): Promise<SessionSource>;
  /** The bytes of a decoder's file. */
  bytes(source: SessionSource): Promise<Uint8Array>;
}

/** How a decoder is to be rewritten. */
export interface RewriteRequest {
  readonly layers: readonly number[];
  readonly strategy: GraphStrategy;
  readonly cache: boolean;
  readonly warn: WarningListener;
}

/** The options that are the plug's own; all others are Transformers.js's. */
const OWN_OPTIONS: ReadonlySet<string> = new Set<keyof PlugOptions>([
  'layer',
  'ratio',
  'budget',
  'seed',
  'strategy',
  'onUnsupported',
  'onPrefill',
  'onWarning',
  'cache',
]);

/** Loads a model with FastV, on a given platform. */
export async function plug<M>(
  platform: Platform,
  modelClass: ModelClass<M>,
  name: string,
  options: PlugOptions & Record<string, unknown>,
): Promise<WithFastv<M>> {
  const { onUnsupported, onPrefill, onWarning, cache } = options;
  const loading = Object.fromEntries(Object.entries(options).filter(([key]) => !OWN_OPTIONS.has(key)));
  const settings = settingsOf(options);
  const warn: WarningListener =
    onWarning ??
    ((message) => {
      console.warn(`fastv: ${message}`);
    });
  const request: RewriteRequest = {
    layers: settings.layers,
    strategy: graphStrategy(settings.strategy),
    cache: cache ?? true,
    warn,
  };

  let rewritten = 0;
  let refused: FastvError | undefined;
  installSwap(await platform.sessionClass());
  const swap = async (source: SessionSource): Promise<SessionSource> => {
    if (!platform.isDecoder(source)) return source;
    try {
      const replacement = await platform.rewrite(source, request);
      rewritten++;
      const slow = slowWeights(await platform.bytes(replacement), replacement.options);
      if (slow !== undefined) warn(slow, 'slow-weights');
      return replacement;
    } catch (error) {
      if (!(error instanceof FastvError) || onUnsupported !== 'warn') throw error;
      refused = error;
      return source;
    }
  };
  const sessionOptions = isRecord(loading['session_options'])
    ? (loading['session_options'] as SessionOptions)
    : {};
  const model = await modelClass.from_pretrained(name, {
    ...loading,
    session_options: withSwap(sessionOptions, swap),
  });

  if (refused === undefined && rewritten === 0) {
    refused = new FastvError(
      'unsupported-decoder',
      'this model was loaded without a decoder that could be rewritten',
      {
        where: name,
        hint: 'It must have a decoder_model_merged, and Transformers.js must run the same copy of ONNX Runtime as fastv.',
      },
    );
  }
  if (refused === undefined && !isDecoderModel(model)) {
    refused = new FastvError('unsupported-decoder', 'this is no image-text model of Transformers.js', {
      where: name,
    });
  }
  if (refused !== undefined || !isDecoderModel(model)) {
    if (onUnsupported !== 'warn' || refused === undefined) {
      if (isRecord(model) && typeof model['dispose'] === 'function')
        await (model as unknown as Disposable).dispose();
      throw refused ?? new FastvError('unsupported-decoder', 'this is no image-text model', { where: name });
    }
    warn(`${refused.message}; the original model runs, unpruned`, 'unsupported');
    return attach(model, handleOf(settings, refused).handle);
  }
  try {
    return attach(model, install(model, settings, onPrefill));
  } catch (error) {
    await (model as unknown as Disposable).dispose();
    throw error;
  }
}

interface Disposable {
  dispose(): Promise<unknown>;
}

function attach<M>(model: M, handle: FastvHandle): WithFastv<M> {
  return Object.defineProperty(model, 'fastv', { value: handle, enumerable: false }) as WithFastv<M>;
}

/** The handle, and the defaults that it sets. */
function handleOf(
  settings: Settings,
  reason?: FastvError,
): { handle: FastvHandle; defaults: () => CallOptions; report: (report: PrefillReport) => void } {
  let defaults = settings.call;
  let last: PrefillReport | undefined;
  const replace = (change: CallOptions): void => {
    const { seed } = defaults;
    defaults = { ...(seed === undefined ? {} : { seed }), ...checkCall(change) };
  };
  const handle: FastvHandle = {
    active: reason === undefined,
    reason,
    layer: settings.layers,
    strategy: findStrategy(settings.strategy).name,
    get ratio() {
      return defaults.ratio;
    },
    set ratio(ratio) {
      if (ratio !== undefined) replace({ ratio });
    },
    get budget() {
      return defaults.budget;
    },
    set budget(budget) {
      if (budget !== undefined) replace({ budget });
    },
    get last() {
      return last;
    },
  };
  return { handle, defaults: () => defaults, report: (report) => void (last = report) };
}

/** Puts the plug between the model's methods and its sessions. */
function install(model: HfModel, settings: Settings, onPrefill: PlugOptions['onPrefill']): FastvHandle {
  const { handle, defaults, report } = handleOf(settings);
  const { decoder_model_merged: decoder, vision_encoder: vision } = model.sessions;
  if (decoder === undefined)
    throw new FastvError('unsupported-decoder', 'the model has no decoder_model_merged');
  const passes = new Passes({
    config: model.config,
    imageIds: imageTokenIds(model.config),
    settings,
    leftPadding: decoder.inputNames.includes('position_ids'),
    defaults,
    onPrefill: (done) => {
      report(done);
      onPrefill?.(done);
    },
  });

  model.sessions['decoder_model_merged'] = prunedSession(decoder, settings.layers.length, passes);
  if (vision !== undefined) model.sessions['vision_encoder'] = timed(vision, passes);

  const forward = model.forward.bind(model);
  const generate = model.generate.bind(model);
  const prepare = model.prepare_inputs_for_generation.bind(model);
  // generate() keeps only the inputs that are named here
  model.forward_params.push('fastv');
  Object.assign(model, {
    forward: (inputs: ForwardInputs) => forward(passes.begin(inputs)),
    generate: async (options: Record<string, unknown>) =>
      generate({ ...options, fastv: passes.generation(options['fastv']) }),
  });
  if (settings.layers[0] === 0) {
    // a cache tells its length by layer 0, which K = 0 shortens
    Object.assign(model, {
      prepare_inputs_for_generation: (ids: unknown, inputs: ForwardInputs, config: unknown) => {
        keepLength(inputs, passes);
        return prepare(ids, inputs, config);
      },
    });
  }
  return handle;
}

function keepLength({ past_key_values: cache }: ForwardInputs, passes: Passes): void {
  if (!isRecord(cache)) return;
  const tensor = Object.values(cache).find(isHfTensor);
  const length = tensor === undefined ? undefined : passes.lengthOf(tensor);
  if (length === undefined) return;
  Object.defineProperty(cache, 'get_seq_length', {
    value: () => length,
    configurable: true,
    enumerable: false,
  });
}

/** The vision encoder, with its time taken. */
function timed(session: OrtSession, passes: Passes): OrtSession {
  const runnable = session as unknown as { run(...args: unknown[]): Promise<unknown> };
  const run = async (feeds: Record<string, OrtTensor>, ...rest: unknown[]): Promise<unknown> => {
    const start = performance.now();
    const outputs = await runnable.run(feeds, ...rest);
    passes.visionDone(feeds, performance.now() - start);
    return outputs;
  };
  return new Proxy(session, {
    get(target, name) {
      if (name === 'run') return run;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
