// POST /v1/chat/completions: one answer as a document, or as a stream of server-sent events.
import { randomUUID } from 'node:crypto';
import { apiError } from './api-error.js';
import type { ChatRequest } from './chat-request.js';
import type { FinishReason, Generation, GenerationListener } from './engine/engine.js';
import type { Chosen } from './engine/sampler.js';
import { Gate } from './gate.js';
import { checkSchema } from './json-schema.js';
import type { ServerLimits } from './limits.js';
import { TokenTexts, type LogprobEntry } from './logprobs.js';
import { RequestPictures, type PictureSources } from './pictures.js';
import { checkedPrompt, maxTokensOf, requestPruning, samplingsOf, turnsOf } from './prepare.js';
import type { ServedModel } from './served-model.js';
import { eventStream, type Events } from './sse.js';
import { usageOf, type Usage } from './usage.js';

/** A request that is being answered. */
export interface Asked {
  readonly request: ChatRequest;
  readonly model: ServedModel;
  /** Aborted when the client goes away, when time is up, and when the server ends. */
  readonly signal: AbortSignal;
  /** Is told what it took, when it is done. */
  readonly onUsage: (usage: Usage, firstTokenMs: number) => void;
}

/** What requests have in common. */
export interface ChatContext {
  readonly limits: ServerLimits;
  readonly sources: PictureSources;
  /** Milliseconds between two pings while nothing else is sent. */
  readonly pingMs: number;
}

/** One answer while it comes. */
interface Choice {
  text: string;
  reason: FinishReason | undefined;
  logprobs: LogprobEntry[];
}

/** Answers chats. */
export class ChatCompletions {
  readonly #context: ChatContext;
  /** Pictures of so many requests are decoded at once: each may be large. */
  readonly #preparing = new Gate(2);

  constructor(context: ChatContext) {
    this.#context = context;
  }

  /** Checks a request and loads its pictures. @throws {ApiError} */
  async prepare(asked: Asked): Promise<PreparedChat> {
    const { request, model, signal } = asked;
    const { limits, sources } = this.#context;
    const { engine } = model;
    const samplings = samplingsOf(request, engine);
    const pruning = requestPruning(request.fastv, engine, model.pruning);
    const format = request.response_format;
    const where = 'response_format.json_schema.schema';
    const schema = format?.type === 'json_schema' ? format.json_schema.schema : undefined;
    if (schema !== undefined) checkSchema(schema, where);
    const start = performance.now();
    const prompt = await this.#preparing.run(async () => {
      signal.throwIfAborted();
      const turns = await turnsOf(request.messages, new RequestPictures(sources, signal), pruning);
      return checkedPrompt(engine, turns, limits);
    });
    const generation = {
      prompt,
      maxTokens: maxTokensOf(request, prompt, engine, limits),
      answers: samplings,
      stop: [request.stop ?? []].flat(),
      signal,
      ...(format == null || format.type === 'text'
        ? {}
        : { constraint: await model.grammars.of(schema, where) }),
    };
    return new PreparedChat(asked, generation, performance.now() - start, this.#context.pingMs);
  }
}

/** A chat whose prompt is made. */
export class PreparedChat {
  readonly #asked: Asked;
  readonly #generation: Omit<Generation, 'listener'>;
  readonly #prepareMs: number;
  readonly #pingMs: number;
  readonly #texts: TokenTexts;
  readonly #head: { readonly id: string; readonly created: number; readonly model: string };
  readonly #start = performance.now();
  #firstTokenMs = 0;

  constructor(asked: Asked, generation: Omit<Generation, 'listener'>, prepareMs: number, pingMs: number) {
    this.#asked = asked;
    this.#generation = generation;
    this.#prepareMs = prepareMs;
    this.#pingMs = pingMs;
    const { model } = asked;
    this.#texts = new TokenTexts(model.engine.model.conversation.tokenizer);
    this.#head = {
      id: `chatcmpl-${randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: model.id,
    };
  }

  /** The whole answer. @throws what ended it */
  async document(): Promise<object> {
    const choices = this.#choices();
    const usage = await this.answer({
      onToken: (answer, token, text) => {
        const choice = choices[answer];
        if (choice === undefined) return;
        choice.text += text;
        choice.logprobs.push(this.#logprob(token));
      },
      onFinish: (answer, reason, text) => {
        const choice = choices[answer];
        if (choice === undefined) return;
        choice.text += text;
        choice.reason = reason;
      },
    });
    return {
      ...this.#head,
      object: 'chat.completion',
      choices: choices.map(({ text, reason, logprobs }, index) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: this.#wantsLogprobs ? { content: logprobs, refusal: null } : null,
        finish_reason: reason,
      })),
      usage,
    };
  }

  /** The answer as it comes. */
  stream(onGone: () => void, onDone: (error?: unknown) => void): Response {
    return eventStream({ pingMs: this.#pingMs, onGone, onDone }, (events) => this.#stream(events));
  }

  async #stream(events: Events): Promise<void> {
    const withUsage = this.#asked.request.stream_options?.include_usage === true;
    const send = (choices: readonly object[], usage: Usage | null = null): void => {
      const chunk = { ...this.#head, object: 'chat.completion.chunk', choices };
      events.data(withUsage ? { ...chunk, usage } : chunk);
    };
    const choices = this.#choices();
    const delta = (answer: number, text: string, reason: FinishReason | null): void => {
      const choice = choices[answer];
      if (choice === undefined || (text === '' && reason === null)) return;
      const logprobs = choice.logprobs.splice(0);
      send([
        {
          index: answer,
          delta: text === '' ? {} : { content: text },
          logprobs: this.#wantsLogprobs && logprobs.length > 0 ? { content: logprobs, refusal: null } : null,
          finish_reason: reason,
        },
      ]);
    };
    try {
      const usage = await this.answer({
        onPrefill: () => {
          send(
            choices.map((_, index) => ({
              index,
              delta: { role: 'assistant', content: '', refusal: null },
              logprobs: null,
              finish_reason: null,
            })),
          );
        },
        onToken: (answer, token, text) => {
          choices[answer]?.logprobs.push(this.#logprob(token));
          delta(answer, text, null);
        },
        onFinish: (answer, reason, text) => {
          delta(answer, text, null);
          delta(answer, '', reason);
        },
      });
      if (withUsage) send([], usage);
    } catch (error) {
      events.data(apiError(error).body);
      throw error;
    } finally {
      events.end();
    }
  }

  /** Generates the answers. @returns what it took @throws what ended it */
  async answer(listener: GenerationListener): Promise<Usage> {
    const { model, onUsage } = this.#asked;
    const result = await model.engine.generate({
      ...this.#generation,
      listener: {
        ...listener,
        onToken: (answer, token, text) => {
          if (this.#firstTokenMs === 0)
            this.#firstTokenMs = performance.now() - this.#start + this.#prepareMs;
          listener.onToken?.(answer, token, text);
        },
      },
    });
    const usage = usageOf(result, this.#prepareMs);
    onUsage(usage, this.#firstTokenMs);
    return usage;
  }

  get #wantsLogprobs(): boolean {
    return this.#asked.request.logprobs === true;
  }

  #logprob(token: Chosen): LogprobEntry {
    return this.#wantsLogprobs ? this.#texts.entry(token) : NO_LOGPROB;
  }

  #choices(): Choice[] {
    return this.#generation.answers.map(() => ({ text: '', reason: undefined, logprobs: [] }));
  }
}

const NO_LOGPROB: LogprobEntry = { token: '', bytes: [], logprob: 0, top_logprobs: [] };
