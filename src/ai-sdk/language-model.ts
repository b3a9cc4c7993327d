// A vision-language model with FastV as a language model of the AI SDK (specification v3).
import { BaseStreamer, type Tensor } from '@huggingface/transformers';
import type {
  JSONObject,
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3GenerateResult,
  LanguageModelV3StreamPart,
  LanguageModelV3StreamResult,
  LanguageModelV3Usage,
  SharedV3ProviderMetadata,
} from '@ai-sdk/provider';
import { AnswerText } from '../runtime/answer-text.js';
import type { FastvCall } from '../runtime/call.js';
import type { Conversation } from '../runtime/conversation.js';
import { callOptions } from '../runtime/options.js';
import { messagesOf, type DecodePicture } from './prompt.js';
import { settingsOfCall, type GenerationSettings } from './settings.js';

/** A loaded model, as far as it is needed here. */
export interface Answering {
  readonly conversation: Conversation;
  readonly model: { generate(options: Record<string, unknown>): Promise<unknown> };
  /** Makes a call of the model's. */
  readonly call: (options: object) => FastvCall;
}

/** What a language model is made of. */
export interface LanguageModelParts {
  readonly modelId: string;
  /** Loads the model when it is first asked. */
  readonly load: () => Promise<Answering>;
  readonly decode: DecodePicture;
}

/** One answer, when it has ended. */
interface Ended {
  readonly finishReason: LanguageModelV3GenerateResult['finishReason'];
  readonly usage: LanguageModelV3Usage;
  readonly providerMetadata: SharedV3ProviderMetadata;
}

/** A language model of the AI SDK. */
export class FastvLanguageModel implements LanguageModelV3 {
  readonly specificationVersion = 'v3';
  readonly provider = 'fastv';
  readonly modelId: string;
  /** None: the AI SDK downloads pictures that are given by their address. */
  readonly supportedUrls = {};
  readonly #parts: LanguageModelParts;

  constructor(parts: LanguageModelParts) {
    this.modelId = parts.modelId;
    this.#parts = parts;
  }

  /** Answers a prompt. */
  async doGenerate(options: LanguageModelV3CallOptions): Promise<LanguageModelV3GenerateResult> {
    let text = '';
    const { generate, warnings } = settingsOfCall(options);
    const ended = await this.#answer(options, generate, (piece) => (text += piece));
    return { content: [{ type: 'text', text }], ...ended, warnings: [...warnings] };
  }

  /** Answers a prompt piece by piece. */
  doStream(options: LanguageModelV3CallOptions): Promise<LanguageModelV3StreamResult> {
    const { generate, warnings } = settingsOfCall(options);
    const gone = new AbortController();
    const signals = [gone.signal, ...(options.abortSignal === undefined ? [] : [options.abortSignal])];
    const stream = new ReadableStream<LanguageModelV3StreamPart>({
      start: async (controller) => {
        controller.enqueue({ type: 'stream-start', warnings: [...warnings] });
        let begun = false;
        const begin = (): void => {
          if (!begun) controller.enqueue({ type: 'text-start', id: ID });
          begun = true;
        };
        try {
          const asked = { ...options, abortSignal: AbortSignal.any(signals) };
          const ended = await this.#answer(asked, generate, (delta) => {
            begin();
            controller.enqueue({ type: 'text-delta', id: ID, delta });
          });
          begin();
          controller.enqueue({ type: 'text-end', id: ID });
          controller.enqueue({ type: 'finish', ...ended });
        } catch (error) {
          if (gone.signal.aborted) return;
          controller.enqueue({ type: 'error', error });
        }
        controller.close();
      },
      // the reader has gone: nobody waits for the rest
      cancel: (reason) => {
        gone.abort(reason);
      },
    });
    return Promise.resolve({ stream });
  }

  async #answer(
    options: LanguageModelV3CallOptions,
    generate: GenerationSettings['generate'],
    onText: (text: string) => void,
  ): Promise<Ended> {
    const { abortSignal, stopSequences = [], providerOptions } = options;
    abortSignal?.throwIfAborted();
    const asked = callOptions(providerOptions?.['fastv'] ?? {});
    const { conversation, model, call: callOf } = await this.#parts.load();
    const messages = await messagesOf(options.prompt, this.#parts.decode);
    const inputs = await conversation.inputs(messages);
    abortSignal?.throwIfAborted();
    const call = callOf({ ...asked, ...(abortSignal === undefined ? {} : { signal: abortSignal }) });
    const text = new AnswerText(conversation.tokenizer, stopSequences);
    const streamer = new TokenStreamer((id) => {
      const piece = text.stopped ? '' : text.add(id);
      if (piece !== '') onText(piece);
    });
    const sequences = (await model.generate({
      ...inputs,
      ...generate,
      streamer,
      stopping_criteria: [(rows: readonly unknown[]) => rows.map(() => text.stopped)],
      fastv: call,
    })) as Tensor;
    const rest = text.end();
    if (rest !== '') onText(rest);
    const prompt = inputs.input_ids.dims[1] ?? 0;
    const tokens = (sequences.dims[1] ?? prompt) - prompt;
    const full = tokens >= generate.max_new_tokens && !text.stopped;
    return {
      finishReason: { unified: full ? 'length' : 'stop', raw: undefined },
      usage: usageOf(prompt, tokens),
      providerMetadata: { fastv: metadataOf(call) },
    };
  }
}

/** An answer is one text. */
const ID = '0';

/** Hands on the ids of an answer, without the prompt's, which come first. */
class TokenStreamer extends BaseStreamer {
  readonly #onToken: (id: number) => void;
  #prompt = true;

  constructor(onToken: (id: number) => void) {
    super();
    this.#onToken = onToken;
  }

  override put([ids = []]: bigint[][]): void {
    if (!this.#prompt) for (const id of ids) this.#onToken(Number(id));
    this.#prompt = false;
  }

  override end(): void {
    this.#prompt = true;
  }
}

function usageOf(prompt: number, tokens: number): LanguageModelV3Usage {
  return {
    inputTokens: { total: prompt, noCache: prompt, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: tokens, text: tokens, reasoning: 0 },
  };
}

/** What FastV did in a call. */
function metadataOf({ report, ms }: FastvCall): JSONObject {
  const [row] = report?.rows ?? [];
  return {
    imageTokens: row?.imageTokens ?? 0,
    keptImageTokens: row?.keptImageTokens ?? 0,
    layerTokens: [...(report?.layerTokens ?? [])],
    ...(report?.flopsRatio === undefined ? {} : { flopsRatio: report.flopsRatio }),
    ...(report === undefined ? {} : { kvBytes: { ...report.kvBytes } }),
    ms: { vision: ms.vision, prefill: ms.prefill, decode: ms.decode },
  };
}
