// POST /v1/chat/completions: one answer as a document, or as a stream of server-sent events.
import { randomUUID } from 'node:crypto';
import { AnswerParts, type AnswerPart } from './answer-parts.js';
import { apiError, badRequest } from './api-error.js';
import type { ChatRequest } from './chat-request.js';
import type { Engine, FinishReason, Generation, GenerationListener } from './engine/engine.js';
import type { Chosen } from './engine/sampler.js';
import { Gate } from './gate.js';
import { checkSchema } from './json-schema.js';
import type { ServerLimits } from './limits.js';
import { TokenTexts, type LogprobEntry } from './logprobs.js';
import { RequestPictures, type PictureSources } from './pictures.js';
import { askedPlan, saysPlan } from './plan.js';
import { checkedPrompt, maxTokensOf, requestPruning, samplingsOf, turnsOf, withTools } from './prepare.js';
import type { ServedModel } from './served-model.js';
import { eventStream, type Events } from './sse.js';
import { toldTools, toolUseOf } from './tools.js';
import { usageOf, type Usage } from './usage.js';

/** A request that is being answered. */
export interface Asked {
  readonly request: ChatRequest;
  readonly model: ServedModel;
  /** Aborted when the client goes away, when time is up, and when the server ends. */
  readonly signal: AbortSignal;
  /** Adds what is to be called when the request is over. */
  readonly until: (end: () => void) => void;
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
  readonly parts: AnswerParts;
  text: string;
  readonly calls: Called[];
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
    const { request, model, signal, until } = asked;
    const { limits, sources } = this.#context;
    const use = toolUseOf(request);
    const engine = await engineFor(asked);
    await refuseSystem(request, engine);
    const samplings = samplingsOf(request, engine);
    const pruning = requestPruning(request.fastv, engine, model.pruning);
    const format = request.response_format;
    const where = 'response_format.json_schema.schema';
    const schema = format?.type === 'json_schema' ? format.json_schema.schema : undefined;
    if (schema !== undefined) checkSchema(schema, where);
    const start = performance.now();
    const prompt = await this.#preparing.run(async () => {
      signal.throwIfAborted();
      const pictures = new RequestPictures(sources, signal);
      const { takesVideo } = engine.model.conversation;
      const turns = await turnsOf(request.messages, pictures, pruning, takesVideo);
      const told = use === undefined ? undefined : toldTools(request.tools ?? []);
      const all = told === undefined ? turns : withTools(turns, told, await engine.takesSystem());
      return checkedPrompt(engine, all, limits);
    });
    const constraint =
      use !== undefined
        ? await model.grammars.ofTools(use, { param: 'tools', signal, until })
        : format == null || format.type === 'text'
          ? undefined
          : await model.grammars.of(schema, { param: where, signal, until });
    const generation = {
      prompt,
      maxTokens: maxTokensOf(request, prompt, engine, limits),
      answers: samplings,
      stop: [request.stop ?? []].flat(),
      signal,
      ...(constraint && { constraint }),
    };
    const prepareMs = performance.now() - start;
    const { pingMs } = this.#context;
    return new PreparedChat(asked, { engine, generation, prepareMs, pingMs, calls: use !== undefined });
  }
}

/** A template that has no place for a system message may leave it out, and say nothing. @throws {ApiError} 400 naming it */
async function refuseSystem({ messages }: ChatRequest, engine: Engine): Promise<void> {
  const at = messages.findIndex(({ role }) => role === 'system' || role === 'developer');
  if (at >= 0 && !(await engine.takesSystem()))
    throw badRequest("this model's chat template has no system message", `messages.${at}`);
}

/** The decoder that a request asks for. @throws {ApiError} 400 naming the field, 429 */
async function engineFor({ request: { fastv }, model, signal, until }: Asked): Promise<Engine> {
  const { engine, plan } = model;
  if (fastv == null) return engine;
  if (engine.model.fastv?.active !== true)
    throw badRequest('this model is served as it is: nothing is pruned', 'fastv');
  if (!saysPlan(fastv)) return engine;
  if (plan === undefined) throw badRequest('the plan of this model is fixed', 'fastv');
  return model.engineOf(askedPlan(fastv, plan), signal, until);
}

/** What a chat is answered with. */
interface Prepared {
  readonly engine: Engine;
  readonly generation: Omit<Generation, 'listener'>;
  readonly prepareMs: number;
  readonly pingMs: number;
  /** Whether the answer may call functions. */
  readonly calls: boolean;
}

/** A chat whose prompt is made. */
export class PreparedChat {
  readonly #asked: Asked;
  readonly #prepared: Prepared;
  readonly #texts: TokenTexts;
  readonly #head: { readonly id: string; readonly created: number; readonly model: string };
  readonly #start = performance.now();
  #firstTokenMs = 0;

  constructor(asked: Asked, prepared: Prepared) {
    this.#asked = asked;
    this.#prepared = prepared;
    this.#texts = new TokenTexts(prepared.engine.model.conversation.tokenizer);
    this.#head = {
      id: `chatcmpl-${randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: asked.model.id,
    };
  }

  /** Whether the answer may call functions. */
  get calls(): boolean {
    return this.#prepared.calls;
  }

  /** The whole answer. @throws what ended it */
  async document(): Promise<object> {
    const choices = this.#choices();
    const take = (choice: Choice, parts: readonly AnswerPart[]): void => {
      for (const part of parts) {
        if (part.kind === 'text') choice.text += part.text;
        else if (part.kind === 'call') choice.calls.push(newCall(part.name));
        else {
          const called = choice.calls.at(-1)?.function;
          if (called !== undefined) called.arguments += part.text;
        }
      }
    };
    const usage = await this.answer({
      onToken: (answer, token, text) => {
        const choice = choices[answer];
        if (choice === undefined) return;
        take(choice, choice.parts.add(text));
        choice.logprobs.push(this.#logprob(token));
      },
      onFinish: (answer, reason, text) => {
        const choice = choices[answer];
        if (choice === undefined) return;
        take(choice, [...choice.parts.add(text), ...choice.parts.end()]);
        choice.reason = reason;
      },
    });
    return {
      ...this.#head,
      object: 'chat.completion',
      choices: choices.map(({ text, reason, logprobs, calls }, index) => ({
        index,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          refusal: null,
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        logprobs: this.#wantsLogprobs ? { content: logprobs, refusal: null } : null,
        finish_reason: finishReason(reason, calls.length),
      })),
      usage,
    };
  }

  /** The answer as it comes. */
  stream(onGone: () => void, onDone: (error?: unknown) => void): Response {
    const { pingMs } = this.#prepared;
    return eventStream({ pingMs, onGone, onDone }, (events) => this.#stream(events));
  }

  async #stream(events: Events): Promise<void> {
    const withUsage = this.#asked.request.stream_options?.include_usage === true;
    const send = (choices: readonly object[], usage: Usage | null = null): void => {
      const chunk = { ...this.#head, object: 'chat.completion.chunk', choices };
      events.data(withUsage ? { ...chunk, usage } : chunk);
    };
    const choices = this.#choices();
    const delta = (answer: number, said: object, reason: ChatFinishReason | null = null): void => {
      const logprobs = choices[answer]?.logprobs.splice(0) ?? [];
      send([
        {
          index: answer,
          delta: said,
          logprobs: this.#wantsLogprobs && logprobs.length > 0 ? { content: logprobs, refusal: null } : null,
          finish_reason: reason,
        },
      ]);
    };
    const tell = (answer: number, { parts }: Choice, more: readonly AnswerPart[]): void => {
      let index = parts.calls - more.filter(({ kind }) => kind === 'call').length - 1;
      for (const part of more) {
        if (part.kind === 'text') delta(answer, { content: part.text });
        else if (part.kind === 'call')
          delta(answer, { tool_calls: [{ index: ++index, ...newCall(part.name) }] });
        else delta(answer, { tool_calls: [{ index, function: { arguments: part.text } }] });
      }
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
          const choice = choices[answer];
          if (choice === undefined) return;
          choice.logprobs.push(this.#logprob(token));
          tell(answer, choice, choice.parts.add(text));
        },
        onFinish: (answer, reason, text) => {
          const choice = choices[answer];
          if (choice === undefined) return;
          tell(answer, choice, [...choice.parts.add(text), ...choice.parts.end()]);
          delta(answer, {}, finishReason(reason, choice.parts.calls));
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
    const { engine, generation, prepareMs } = this.#prepared;
    const result = await engine.generate({
      ...generation,
      listener: {
        ...listener,
        onToken: (answer, token, text) => {
          if (this.#firstTokenMs === 0) this.#firstTokenMs = performance.now() - this.#start + prepareMs;
          listener.onToken?.(answer, token, text);
        },
      },
    });
    const usage = usageOf(result, prepareMs);
    this.#asked.onUsage(usage, this.#firstTokenMs);
    return usage;
  }

  get #wantsLogprobs(): boolean {
    return this.#asked.request.logprobs === true;
  }

  #logprob(token: Chosen): LogprobEntry {
    return this.#wantsLogprobs ? this.#texts.entry(token) : NO_LOGPROB;
  }

  #choices(): Choice[] {
    const { generation, calls } = this.#prepared;
    return generation.answers.map(() => ({
      parts: new AnswerParts(calls),
      text: '',
      calls: [],
      reason: undefined,
      logprobs: [],
    }));
  }
}

const NO_LOGPROB: LogprobEntry = { token: '', bytes: [], logprob: 0, top_logprobs: [] };

/** Why an answer ended, as it is told. */
type ChatFinishReason = FinishReason | 'tool_calls';

function finishReason(reason: FinishReason | undefined, calls: number): ChatFinishReason {
  return reason === 'stop' && calls > 0 ? 'tool_calls' : (reason ?? 'length');
}

/** A call as it is answered. */
interface Called {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; arguments: string };
}

function newCall(name: string): Called {
  return { id: `call_${randomUUID()}`, type: 'function', function: { name, arguments: '' } };
}
