// One question, timed.
import { TextStreamer, type Tensor } from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import type { FastvCall } from './call.js';
import type { Conversation, ModelInputs } from './conversation.js';
import { GREEDY } from './greedy.js';
import type { CallOptions, PrefillReport } from './options.js';
import { reasonOf } from './tell.js';

/**
 * An answer and what it took.
 * @example
 * const { text, ttftMs, report }: Answer = await model.ask(messages, { maxNewTokens: 64 });
 */
export interface Answer {
  readonly text: string;
  /** Generated tokens. */
  readonly tokens: number;
  /** Milliseconds to the first token, the vision encoder included. */
  readonly ttftMs: number;
  /** Milliseconds in the decoder's first run. */
  readonly prefillMs: number;
  readonly totalMs: number;
  /** Tokens a second after the first; undefined for answers too short to tell. */
  readonly tokensPerSecond: number | undefined;
  /** What was pruned, where the plug is in. */
  readonly report: PrefillReport | undefined;
  /** Prompt and answer as ids, `[1, length]`. */
  readonly sequences: Tensor;
}

/**
 * How to ask.
 * @example
 * const options: AskOptions = { maxNewTokens: 64, ratio: 0.75, signal: AbortSignal.timeout(10_000) };
 */
export interface AskOptions extends CallOptions {
  /** The longest answer. */
  readonly maxNewTokens: number;
  /** Whether the likeliest token is taken each time, whatever the model's generation_config.json says; default false. */
  readonly greedy?: boolean;
  /** Called with each piece of text. */
  readonly onText?: (text: string) => void;
  /** The cache of earlier turns; filled further. */
  readonly cache?: unknown;
}

/** A model as one call of it needs it. */
export interface Asked {
  readonly conversation: Conversation;
  readonly model: { generate(options: Record<string, unknown>): Promise<unknown> };
  /** Makes a call of this model's. */
  readonly call: (options: CallOptions) => FastvCall;
}

/** Tokens from which on a rate says something. */
const ENOUGH = 5;

/**
 * Generates an answer to prepared inputs. Several may be asked at once: everything is of its own call.
 * @throws what `signal` was aborted with; {@link FastvError} `invalid-input` for a prompt that is too long, `inference`
 */
export async function ask(asked: Asked, inputs: ModelInputs, options: AskOptions): Promise<Answer> {
  const { maxNewTokens, greedy = false, onText, cache, ...callOptions } = options;
  const { conversation, model } = asked;
  const call = asked.call(callOptions);
  let first = 0;
  let tokens = 0;
  const streamer = new TextStreamer(conversation.tokenizer, {
    skip_prompt: true,
    skip_special_tokens: true,
    callback_function: (text: string) => onText?.(text),
    token_callback_function: () => {
      tokens++;
      if (first === 0) first = performance.now();
    },
  });
  const start = performance.now();
  const generate = async (): Promise<unknown> =>
    model.generate({
      ...inputs,
      max_new_tokens: maxNewTokens,
      ...(greedy ? GREEDY : {}),
      streamer,
      fastv: call,
      ...(cache === undefined ? {} : { past_key_values: cache }),
    });
  const sequences = (await generate().catch((cause: unknown) => {
    throw lackingInputs(cause);
  })) as Tensor;
  const end = performance.now();
  return {
    text: conversation.answers(inputs, sequences)[0] ?? '',
    tokens,
    ttftMs: first - start,
    prefillMs: call.ms.prefill,
    totalMs: end - start,
    tokensPerSecond: tokens >= ENOUGH ? ((tokens - 1) * 1000) / (end - first) : undefined,
    report: call.report,
    sequences,
  };
}

/** What Transformers.js 4.3 says where config.json describes another decoder than there is, typed; all else as it is. */
function lackingInputs(cause: unknown): unknown {
  if (!(cause instanceof Error) || !cause.message.includes('Missing the following inputs')) return cause;
  return new FastvError('invalid-input', `the model cannot be run: ${reasonOf(cause)}`, {
    where: 'config.json',
    hint: 'It describes another decoder than the one in onnx/: check where the model comes from.',
    cause,
  });
}
