// One question, timed: what the commands and the demo have in common.
import { TextStreamer, type Tensor } from '@huggingface/transformers';
import type { Conversation, ModelInputs } from './conversation.js';
import type { CallOptions, PrefillReport } from './options.js';
import type { FastvHandle } from './plug.js';

/** A model that generates, with or without the plug. */
export interface GeneratingModel {
  readonly fastv?: FastvHandle;
  readonly sessions: Record<string, unknown>;
  generate(options: Record<string, unknown>): Promise<unknown>;
  dispose(): Promise<unknown>;
}

/** An answer and what it took. */
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

/** Tokens from which on a rate says something. */
const ENOUGH = 5;

/** How to ask. */
export interface AskOptions {
  readonly maxNewTokens: number;
  /** Called with each piece of text. */
  readonly onText?: (text: string) => void;
  readonly fastv?: CallOptions;
  /** The cache of earlier turns; filled further. */
  readonly cache?: unknown;
}

/** Generates an answer to prepared inputs. */
export async function ask(
  model: GeneratingModel,
  conversation: Conversation,
  inputs: ModelInputs,
  options: AskOptions,
): Promise<Answer> {
  let first = 0;
  let tokens = 0;
  const streamer = new TextStreamer(conversation.tokenizer, {
    skip_prompt: true,
    skip_special_tokens: true,
    callback_function: (text: string) => options.onText?.(text),
    token_callback_function: () => {
      tokens++;
      if (first === 0) first = performance.now();
    },
  });
  const prefill = timeFirstRun(model);
  const start = performance.now();
  const sequences = (await model.generate({
    ...inputs,
    max_new_tokens: options.maxNewTokens,
    streamer,
    ...(options.fastv === undefined ? {} : { fastv: options.fastv }),
    ...(options.cache === undefined ? {} : { past_key_values: options.cache }),
  })) as Tensor;
  const end = performance.now();
  return {
    text: conversation.answers(inputs, sequences)[0] ?? '',
    tokens,
    ttftMs: first - start,
    prefillMs: prefill(),
    totalMs: end - start,
    tokensPerSecond: tokens >= ENOUGH ? ((tokens - 1) * 1000) / (end - first) : undefined,
    report: model.fastv?.active === true ? model.fastv.last : undefined,
    sequences,
  };
}

/** Measures the next run of the decoder, with or without the plug; the returned function ends that and gives the time. */
function timeFirstRun(model: GeneratingModel): () => number {
  const decoder = model.sessions['decoder_model_merged'] as { run(...args: unknown[]): Promise<unknown> };
  let milliseconds: number | undefined;
  const timed = new Proxy(decoder, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'run' || typeof value !== 'function') {
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return async (...args: unknown[]): Promise<unknown> => {
        const start = performance.now();
        const outputs = await (value as (...args: unknown[]) => Promise<unknown>).apply(target, args);
        milliseconds ??= performance.now() - start;
        return outputs;
      };
    },
  });
  model.sessions['decoder_model_merged'] = timed;
  return () => {
    model.sessions['decoder_model_merged'] = decoder;
    return milliseconds ?? 0;
  };
}
