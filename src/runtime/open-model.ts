// A model with everything that a program needs of it: its processor, its decoder with or without FastV, and questions
// that may be asked one beside the other. What differs between Node and a browser is given.
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import { streamOf, type AnswerStream } from './answer-stream.js';
import { ask, type Answer, type Asked, type AskOptions } from './ask.js';
import type { FastvCall } from './call.js';
import { Chat } from './chat.js';
import { Conversation, type Message, type ModelInputs } from './conversation.js';
import { hubOptions } from './hub-options.js';
import type { AutoOptions, CallOptions, PlugOptions } from './options.js';
import { passesOf } from './hook.js';
import type { Loader } from './load-pretrained.js';
import { hookOriginal, loadOriginal } from './original.js';
import type { VisionAround } from './passes.js';
import { plug, type FastvHandle, type Platform } from './plug.js';
import { isDecoderModel, type HfModel } from './transformers.js';

/**
 * How it prunes: options of the plug. What `ratio: 'auto'` asks may be conversations too, whose last message is the
 * question.
 * @example
 * const pruning: Pruning = { layer: 2, ratio: 'auto', samples: [[{ role: 'user', text: 'What is this?', images: [picture] }]] };
 */
export type Pruning =
  | PlugOptions
  | (Omit<AutoOptions, 'samples'> & { readonly samples: readonly (readonly Message[] | ModelInputs)[] });

/**
 * How a model is opened.
 * @example
 * const options: OpenOptions = { fastv: { layer: 2, ratio: 0.5 }, loading: { dtype: 'q8' } };
 */
export interface OpenOptions {
  /** How it prunes; without, the original runs. */
  readonly fastv?: Pruning;
  /** What goes to `from_pretrained`: `dtype`, `device`, `subfolder`, `progress_callback`, … */
  readonly loading?: Readonly<Record<string, unknown>>;
  /** Its processor, where that is open already. */
  readonly conversation?: Conversation;
  /** Something around the vision encoder's runs, by their call. */
  readonly vision?: VisionAround;
  /** The class that loads it; default `AutoModelForImageTextToText`. */
  readonly modelClass?: Loader;
}

/**
 * A model that can be asked, several questions at a time.
 * @example
 * await using model = await openModel(name, { fastv: { ratio: 0.5 } });
 * await model.warmup();
 */
export interface OpenedModel {
  readonly name: string;
  readonly conversation: Conversation;
  /** The Transformers.js model. */
  readonly model: HfModel;
  /** The plug's handle, where it is in. */
  readonly fastv: FastvHandle | undefined;
  /** A call of its own, to be given to the model's `generate` or `forward` as `fastv`. @throws as {@link ask} */
  call(options?: CallOptions): FastvCall;
  /**
   * Answers a question. Calls may overlap: times and report are those of this call.
   * @param question messages, or the inputs that {@link conversation} made of some
   * @throws {FastvError} `invalid-input` for a prompt that is too long; `invalid-option`; `inference`. What the signal was
   *   aborted with, if it was
   */
  ask(question: readonly Message[] | ModelInputs, options: AskOptions): Promise<Answer>;
  /** The same, piece by piece, and times and report in the end. Who stops listening ends the call. */
  stream(question: readonly Message[] | ModelInputs, options: Omit<AskOptions, 'onText'>): AnswerStream;
  /** Answers one short question, so that the first one that counts finds memory and kernels ready. */
  warmup(): Promise<void>;
  /** A conversation on one KV cache. */
  chat(): Chat;
  /** Frees the model; a second time does nothing. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Pixels of the side of the picture that models are warmed up by: what most vision encoders take or shrink to. */
const WARMUP_SIDE = 336;

/**
 * Opens a model on a platform.
 * @param load loads the original in the place of the model's own class
 */
export async function openOn(
  platform: Platform,
  name: string,
  options: OpenOptions = {},
  load: (modelClass: Loader, loading: Readonly<Record<string, unknown>>) => Promise<unknown> = (
    given,
    loading,
  ) => loadOriginal(platform, given, name, loading),
): Promise<OpenedModel> {
  const { fastv, loading = {} } = options;
  const modelClass: Loader = options.modelClass ?? AutoModelForImageTextToText;
  const conversation = options.conversation ?? (await Conversation.load(name, hubOptions(loading)));
  const model: unknown =
    fastv === undefined
      ? await load(modelClass, loading)
      : await plug(platform, modelClass, name, {
          ...loading,
          ...(await withInputs(fastv, conversation)),
        });
  if (!isDecoderModel(model)) {
    await (model as { dispose?: () => Promise<unknown> }).dispose?.();
    throw new FastvError('unsupported-decoder', 'this is no image-text model of Transformers.js', {
      where: name,
      hint: 'It must have a decoder_model_merged.',
    });
  }
  const handle = (model as HfModel & { readonly fastv?: FastvHandle }).fastv;
  const passes = passesOf(model) ?? hookOriginal(model);
  if (options.vision !== undefined) passes.aroundVision(options.vision);
  const asked: Asked = { conversation, model, call: (given) => passes.call(given) };
  let closed: Promise<unknown> | undefined;
  const answer: OpenedModel['ask'] = async (question, how) =>
    ask(asked, isMessages(question) ? await conversation.inputs(question) : question, how);
  const close = async (): Promise<void> => {
    closed ??= (model as unknown as { dispose(): Promise<unknown> }).dispose();
    await closed;
  };
  return {
    name,
    conversation,
    model,
    fastv: handle,
    call: (given = {}) => asked.call(given),
    ask: answer,
    stream: (question, how) =>
      streamOf((onText, signal) => answer(question, { ...how, onText, signal }), how.signal),
    async warmup() {
      const data = new Uint8ClampedArray(3 * WARMUP_SIDE ** 2).fill(128);
      const picture = { data, width: WARMUP_SIDE, height: WARMUP_SIDE };
      // two tokens: a prefill and a decoding step
      await answer([{ role: 'user', text: 'What is this?', images: [picture] }], { maxNewTokens: 2 });
    },
    chat: () => new Chat(asked),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function isMessages(question: readonly Message[] | ModelInputs): question is readonly Message[] {
  return Array.isArray(question);
}

/** The plug's options: conversations that are to be asked as the model takes them. */
async function withInputs(pruning: Pruning, conversation: Conversation): Promise<PlugOptions | AutoOptions> {
  if (pruning.ratio !== 'auto') return pruning;
  const { samples: given } = pruning;
  // from JavaScript, anything may come: the plug says what is wrong with it
  if (!Array.isArray(given)) return pruning as unknown as AutoOptions;
  const samples: ModelInputs[] = [];
  for (const sample of given as (readonly Message[] | ModelInputs)[]) {
    samples.push(isMessages(sample) ? await conversation.inputs(sample) : sample);
  }
  return { ...pruning, samples };
}
