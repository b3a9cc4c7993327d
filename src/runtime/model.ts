// A model with everything that a program needs of it: its processor, its decoder with or without FastV, and questions
// that may be asked one beside the other. In Node; a browser app has the plug.
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import { streamOf, type AnswerStream } from './answer-stream.js';
import { ask, type Answer, type Asked, type AskOptions } from './ask.js';
import type { FastvCall } from './call.js';
import { Chat } from './chat.js';
import { Conversation, type Message, type ModelInputs } from './conversation.js';
import { loadWithDecoder } from './decoder-override.js';
import { fastv } from './node.js';
import type { CallOptions, PlugOptions } from './options.js';
import { passesOf } from './hook.js';
import type { Loader } from './load-pretrained.js';
import { hookOriginal, loadOriginal } from './original.js';
import type { VisionAround } from './passes.js';
import type { FastvHandle } from './plug.js';
import { isDecoderModel, type HfModel } from './transformers.js';

/**
 * How a model is opened.
 * @example
 * const options: OpenOptions = { fastv: { layer: 2, ratio: 0.5 }, loading: { dtype: 'q8' } };
 */
export interface OpenOptions {
  /** How it prunes; without, the original runs. */
  readonly fastv?: PlugOptions;
  /** What goes to `from_pretrained`: `dtype`, `device`, `subfolder`, `progress_callback`, … */
  readonly loading?: Readonly<Record<string, unknown>>;
  /** Its processor, where that is open already. */
  readonly conversation?: Conversation;
  /** A decoder file to run in the place of the model's own. */
  readonly decoder?: string;
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
 * Opens a model.
 * @param name a folder, or a name on the Hugging Face hub
 * @throws {FastvError} as the plug; what Transformers.js throws where files are missing
 * @example
 * const model = await openModel(folder, { fastv: { layer: 2, ratio: 0.5 }, loading: { dtype: 'q8' } });
 * const { text, report } = await model.ask([{ role: 'user', text: 'What is this?', images: [picture] }], {
 *   maxNewTokens: 64,
 *   ratio: 0.75,
 *   signal: AbortSignal.timeout(10_000),
 * });
 * await model.close();
 */
export async function openModel(name: string, options: OpenOptions = {}): Promise<OpenedModel> {
  const { fastv: plug, loading = {}, decoder } = options;
  const modelClass: Loader = options.modelClass ?? AutoModelForImageTextToText;
  if (plug !== undefined && decoder !== undefined) {
    throw new FastvError('invalid-option', 'another decoder can be run unpruned only', {
      where: 'decoder',
      hint: 'Rewrite that decoder, or leave fastv out.',
    });
  }
  const conversation = options.conversation ?? (await Conversation.load(name));
  const model: unknown =
    plug !== undefined
      ? await fastv(modelClass, name, { ...loading, ...plug })
      : decoder !== undefined
        ? await loadWithDecoder(modelClass, name, decoder, { ...loading })
        : await loadOriginal(modelClass, name, loading);
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
