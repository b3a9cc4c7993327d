// Answers to many requests by one model: one prefill at a time, by order of arrival, and between two prefills one
// decoding step of every sequence that runs, in as few calls of the decoder as it allows.
import { Tensor } from '@huggingface/transformers';
import { FastvError } from '../../errors.js';
import type { PrefillReport } from '../../runtime/options.js';
import type { Conversation } from '../../runtime/conversation.js';
import type { OpenedModel } from '../../runtime/model.js';
import { imageTokenIds } from '../../runtime/image-tokens.js';
import type { ForwardInputs } from '../../runtime/transformers.js';
import { AnswerText } from '../../runtime/answer-text.js';
import { droppedKey, isPlainCache, joinRows, rowOf, type CacheRow, type PaddingSide } from './cache-rows.js';
import { DecoderPasses } from './passes.js';
import { PrefixCache } from './prefix-cache.js';
import { batchingOf, type Batching } from './probe.js';
import { promptOf, textOnly, type Prompt, type Turn } from './prompt.js';
import { Sampler, type Chosen, type Sampling } from './sampler.js';
import type { LogitsProcessor } from './hf-model.js';

/** What restricts the tokens of an answer, such as a grammar. */
export interface Constraint {
  /** Bits of the tokens that may come next, 32 an entry. */
  allowed(): Promise<Int32Array>;
  /** Takes the token that was chosen. */
  accept(id: number): void;
  close(): void;
}

/** What is asked of a model. */
export interface Generation {
  readonly prompt: Prompt;
  /** The most tokens of an answer. */
  readonly maxTokens: number;
  /** One for each answer that is wanted. */
  readonly answers: readonly Sampling[];
  /** Texts that end an answer. */
  readonly stop: readonly string[];
  /** Makes what restricts an answer. */
  readonly constraint?: () => Promise<Constraint>;
  readonly signal: AbortSignal;
  readonly listener: GenerationListener;
}

/** Why an answer ended. */
export type FinishReason = 'stop' | 'length';

/** Is told what happens. What it throws ends the request. */
export interface GenerationListener {
  /** The prompt is computed. */
  readonly onPrefill?: () => void;
  /** The next token of an answer; `text` is what is certain of it now, and may be empty. */
  readonly onToken?: (answer: number, token: Chosen, text: string) => void;
  /** An answer ended; `text` is the rest of it. */
  readonly onFinish?: (answer: number, reason: FinishReason, text: string) => void;
}

/** Milliseconds of a request by its phases. */
export interface PhaseTimes {
  readonly queue: number;
  readonly vision: number;
  readonly prefill: number;
  readonly decode: number;
}

/** What a request took. */
export interface GenerationResult {
  readonly promptTokens: number;
  /** Of the prompt, those that were in the cache. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** What the prefills of its pictures did, those of earlier turns included. */
  readonly reports: readonly PrefillReport[];
  readonly ms: PhaseTimes;
}

/** How an engine works. */
export interface EngineOptions {
  /** Sequences that are decoded at once. */
  readonly sequences: number;
  /** Bytes of KV caches that are kept for conversations that may go on. */
  readonly prefixCacheBytes: number;
}

/** A request that waits or runs. */
interface Job {
  readonly generation: Generation;
  readonly resolve: (result: GenerationResult) => void;
  readonly reject: (reason: unknown) => void;
  readonly queued: number;
  readonly rows: Row[];
  started: number;
  cachedTokens: number;
  completionTokens: number;
  reports: readonly PrefillReport[];
  visionMs: number;
  prefillMs: number;
  decodeMs: number;
}

/** One answer while it is generated. */
interface Row {
  readonly job: Job;
  readonly index: number;
  /** Prompt and answer; the last one is not in the cache yet. */
  readonly ids: bigint[];
  readonly sampler: Sampler;
  readonly processor: LogitsProcessor;
  readonly text: AnswerText;
  readonly constraint: Constraint | undefined;
  cache: CacheRow;
  /** Of a family that is decoded alone. */
  state: ForwardInputs | undefined;
  tokens: number;
}

/** A model that answers many. */
export class Engine {
  readonly model: OpenedModel;
  /** How sequences are put together. */
  readonly batching: Batching;
  readonly #passes: DecoderPasses;
  readonly #options: EngineOptions;
  readonly #prefixes: PrefixCache;
  readonly #imageIds: ReadonlySet<bigint>;
  readonly #eos: ReadonlySet<number>;
  readonly #waiting: Job[] = [];
  #rows: Row[] = [];
  #working: Promise<void> | undefined;
  #takesSystem: boolean | undefined;

  private constructor(model: OpenedModel, passes: DecoderPasses, batching: Batching, options: EngineOptions) {
    this.model = model;
    this.batching = batching;
    this.#passes = passes;
    this.#options = options;
    this.#prefixes = new PrefixCache(passes.plain ? options.prefixCacheBytes : 0);
    this.#imageIds = imageTokenIds(model.model.config);
    this.#eos = new Set([passes.config.eos_token_id ?? []].flat());
  }

  /** An engine for a model, which is its own from now on: `close` frees it. */
  static async start(model: OpenedModel, options: EngineOptions): Promise<Engine> {
    const passes = new DecoderPasses(model);
    return new Engine(model, passes, await batchingOf(passes), options);
  }

  /** The tokens that a prompt and its answer may have. */
  get positions(): number {
    return this.#passes.positions;
  }

  /** The tokens of the model's vocabulary. */
  get vocabulary(): number {
    return this.#passes.vocabulary;
  }

  /** Tokens that end an answer. */
  get endTokens(): ReadonlySet<number> {
    return this.#eos;
  }

  /** Whether the model's template has a system message. */
  async takesSystem(): Promise<boolean> {
    return (this.#takesSystem ??= await takesSystem(this.model.conversation));
  }

  /** Requests that wait, and sequences that run. */
  get load(): { readonly waiting: number; readonly running: number; readonly prefixBytes: number } {
    return { waiting: this.#waiting.length, running: this.#rows.length, prefixBytes: this.#prefixes.bytes };
  }

  /** Makes the prompt of a conversation. @throws {FastvError} `invalid-input` */
  prompt(turns: readonly Turn[]): Promise<Prompt> {
    return promptOf(this.model.conversation, turns, this.#imageIds, this.#passes.plain);
  }

  /**
   * Generates the answers.
   * @throws what the signal was aborted with, between two tokens; {@link FastvError} `inference`
   */
  generate(generation: Generation): Promise<GenerationResult> {
    const { signal } = generation;
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const job: Job = {
        generation,
        resolve,
        reject,
        queued: performance.now(),
        rows: [],
        started: 0,
        cachedTokens: 0,
        completionTokens: 0,
        reports: [],
        visionMs: 0,
        prefillMs: 0,
        decodeMs: 0,
      };
      this.#waiting.push(job);
      signal.addEventListener(
        'abort',
        () => {
          this.#dropAborted();
        },
        { once: true },
      );
      this.#working ??= this.#work().finally(() => {
        this.#working = undefined;
      });
    });
  }

  /** Frees the model. What runs is to be ended before. */
  async close(): Promise<void> {
    await this.#working;
    this.#prefixes.clear();
    await this.model.close();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0 || this.#rows.length > 0) {
      const next = this.#admit();
      if (next !== undefined) await this.#guarded([next], () => this.#prefill(next));
      for (const rows of this.#groups()) {
        await this.#guarded([...new Set(rows.map(({ job }) => job))], () => this.#step(rows));
      }
      this.#dropAborted();
    }
  }

  /** The first one that waits, if there is room for its answers. */
  #admit(): Job | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const room = this.#options.sequences - this.#rows.length;
    // a request of more answers than ever run at once runs by itself
    if (first.generation.answers.length > room && this.#rows.length > 0) return undefined;
    return this.#waiting.shift();
  }

  /** Runs a pass; if it fails, the requests in it fail, and no other. */
  async #guarded(jobs: readonly Job[], pass: () => Promise<void>): Promise<void> {
    try {
      await pass();
    } catch (error) {
      for (const job of jobs) this.#fail(job, error);
    }
  }

  /** A request whose client went away is given up; one that a pass is at work on, after that. */
  #dropAborted(): void {
    const jobs = new Set([...this.#waiting, ...this.#rows.map(({ job }) => job)]);
    for (const job of jobs) {
      const { signal } = job.generation;
      if (signal.aborted) this.#fail(job, signal.reason);
    }
  }

  #fail(job: Job, reason: unknown): void {
    this.#remove(job);
    job.reject(reason);
  }

  #remove(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    for (const { constraint } of job.rows) constraint?.close();
    this.#rows = this.#rows.filter((row) => row.job !== job);
  }

  async #prefill(job: Job): Promise<void> {
    const { prompt, answers, stop, constraint, signal, listener } = job.generation;
    signal.throwIfAborted();
    job.started = performance.now();
    const found = this.#prefixes.find(prompt);
    let past = found === undefined ? undefined : { tensors: found.tensors, length: found.length };
    let bringing = 0;
    job.cachedTokens = found?.length ?? 0;
    job.reports = found?.reports ?? [];
    let logits = new Float32Array();
    let state: ForwardInputs | undefined;
    for (const segment of prompt.segments) {
      // pictures that are not in the cache lie behind all of it
      const ownImages = segment.images !== undefined && ++bringing > (found?.images ?? 0);
      if (segment.end <= (past?.length ?? 0)) continue;
      signal.throwIfAborted();
      const inputs = ownImages || !this.#passes.plain ? segment.inputs : textOnly(segment.inputs);
      const pass = await this.#passes.prefill(inputs, past, ownImages ? segment.pruning : { ratio: 0 });
      past = { tensors: pass.cache, length: segment.end };
      job.visionMs += pass.call.ms.vision;
      job.prefillMs += pass.call.ms.prefill;
      if (ownImages && pass.call.report !== undefined) job.reports = [...job.reports, pass.call.report];
      logits = new Float32Array(pass.logits);
      state = pass.state;
    }
    if (past === undefined) throw new FastvError('invalid-input', 'the prompt is empty');
    const { tensors, length } = past;
    for (const [index, sampling] of answers.entries()) {
      job.rows.push({
        job,
        index,
        ids: [...prompt.ids],
        sampler: new Sampler(sampling, this.#passes.config),
        processor: this.#passes.model._get_logits_processor(this.#passes.config, prompt.ids.length),
        text: new AnswerText(this.model.conversation.tokenizer, stop),
        constraint: await constraint?.(),
        cache: rowOf(tensors, length),
        state: this.#passes.plain ? undefined : state,
        tokens: 0,
      });
    }
    signal.throwIfAborted();
    listener.onPrefill?.();
    this.#rows.push(...job.rows);
    for (const row of job.rows) await this.#take(row, new Float32Array(logits));
  }

  /** Where the padding of rows lies. */
  get #side(): PaddingSide {
    return this.batching.together === 'left' ? 'left' : 'right';
  }

  /** Sequences that go into one call. */
  #groups(): Row[][] {
    const groups = new Map<unknown, Row[]>();
    for (const row of this.#rows) {
      const { together } = this.batching;
      const batched = row.state === undefined && together !== 'never' && isPlainCache(row.cache.tensors);
      const key = batched
        ? droppedKey(row.cache) + (together === 'equal' ? `:${row.cache.length}` : '')
        : row;
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    return [...groups.values()];
  }

  /** One token of each. */
  async #step(rows: readonly Row[]): Promise<void> {
    const start = performance.now();
    const [first] = rows;
    if (first === undefined) return;
    let logits: readonly Float32Array[];
    if (first.state !== undefined) {
      const { tensors, length } = first.cache;
      const pass = await this.#passes.decodeAlone(first.ids, { tensors, length }, first.state);
      first.cache = rowOf(pass.cache, length + 1);
      first.state = pass.state;
      logits = [pass.logits];
    } else {
      const last = rows.map(({ ids }) => ids.at(-1) ?? 0n);
      const caches = rows.map(({ cache }) => cache);
      const pass = this.batching.inPlace
        ? await this.#passes.decodeInPlace(last, caches, this.#side)
        : await this.#passes.decode(last, caches, this.#side);
      for (const [index, row] of rows.entries()) row.cache = pass.rows[index] ?? row.cache;
      logits = pass.logits;
    }
    const ms = performance.now() - start;
    for (const job of new Set(rows.map((row) => row.job))) job.decodeMs += ms;
    for (const [index, row] of rows.entries()) {
      // its request may have failed with another of its answers
      if (!this.#rows.includes(row)) continue;
      await this.#guarded([row.job], () => this.#take(row, logits[index] ?? new Float32Array()));
    }
  }

  /** Chooses a sequence's next token, and ends it if that was the last. */
  async #take(row: Row, raw: Float32Array): Promise<void> {
    const { job, sampler, processor, text, constraint, ids } = row;
    const { listener, maxTokens } = job.generation;
    const logits = new Tensor('float32', raw.slice(), [1, raw.length]);
    const processed = processor([ids], logits).data as Float32Array;
    const token = sampler.next(raw, processed, await constraint?.allowed());
    constraint?.accept(token.id);
    ids.push(BigInt(token.id));
    row.tokens++;
    job.completionTokens++;
    const ended = this.#eos.has(token.id);
    if (!ended) listener.onToken?.(row.index, token, text.add(token.id));
    const full = row.tokens >= maxTokens || ids.length >= this.#passes.positions;
    if (!ended && !text.stopped && !full) return;
    const rest = text.end();
    this.#keep(row);
    this.#rows = this.#rows.filter((other) => other !== row);
    constraint?.close();
    listener.onFinish?.(row.index, ended || text.stopped ? 'stop' : 'length', rest);
    if (!job.rows.some((other) => this.#rows.includes(other))) this.#end(job);
  }

  /** Keeps a sequence's cache for the turns that may follow. */
  #keep({ job, ids, cache, state, index }: Row): void {
    if (index > 0 || state !== undefined || this.#options.prefixCacheBytes === 0) return;
    if (!isPlainCache(cache.tensors)) return;
    const { tensors } = joinRows([cache], this.#side);
    const images = job.generation.prompt.segments.flatMap((segment) => segment.images ?? []);
    this.#prefixes.keep({ ids: ids.slice(0, cache.length), tensors, images, reports: job.reports });
  }

  #end(job: Job): void {
    const { queued, started, visionMs, prefillMs, decodeMs } = job;
    job.resolve({
      promptTokens: job.generation.prompt.ids.length,
      cachedTokens: job.cachedTokens,
      completionTokens: job.completionTokens,
      reports: job.reports,
      ms: { queue: started - queued, vision: visionMs, prefill: prefillMs, decode: decodeMs },
    });
  }
}

async function takesSystem(conversation: Conversation): Promise<boolean> {
  const messages = [
    { role: 'system', text: 'a system message' },
    { role: 'user', text: 'a question' },
  ] as const;
  try {
    return (await conversation.prompt(messages)).includes('a system message');
  } catch {
    // templates without one throw
    return false;
  }
}
