// A model as the server has it: loading, ready, or failed; with an engine, and a number of requests that may be inside.
import { FastvError } from '../errors.js';
import { VisionCache } from '../eval/vision-cache.js';
import type { VisionAround } from '../runtime/passes.js';
import type { OpenedModel } from '../runtime/model.js';
import { ApiError } from './api-error.js';
import { Engine } from './engine/engine.js';
import type { Pruning } from './engine/prompt.js';
import { Grammars } from './grammar.js';
import type { ServerLimits } from './limits.js';

/** A model to be served. */
export interface ModelToServe {
  /** What requests call it. */
  readonly id: string;
  /** How pictures are pruned of which the request says nothing (`detail: "auto"`). */
  readonly pruning: Pruning;
  /**
   * Opens it.
   * @param vision to be given to `openModel`
   */
  open(vision: VisionAround): Promise<OpenedModel>;
}

/** A model that is served. */
export class ServedModel {
  readonly id: string;
  readonly pruning: Pruning;
  /** When it was asked for, in seconds since 1970. */
  readonly created = Math.floor(Date.now() / 1000);
  /** Ends when the model is loaded, or cannot be. */
  readonly loaded: Promise<void>;
  readonly vision: VisionCache;
  readonly #limits: ServerLimits;
  #engine: Engine | undefined;
  #grammars: Grammars | undefined;
  #failure: unknown;
  #inside = 0;
  /** Seconds that a request took, of late. */
  #pace = 1;

  constructor(model: ModelToServe, limits: ServerLimits) {
    this.id = model.id;
    this.pruning = model.pruning;
    this.#limits = limits;
    const cache = new VisionCache(limits.visionCacheBytes);
    this.vision = cache;
    this.loaded = model
      .open((run) => cache.before(run))
      .then(async (opened) => {
        this.#engine = await Engine.start(opened, limits);
      })
      .catch((error: unknown) => {
        this.#failure = error;
      });
  }

  /** Why it cannot be served, if it cannot. */
  get failure(): unknown {
    return this.#failure;
  }

  get ready(): boolean {
    return this.#engine !== undefined;
  }

  /** Requests inside: being read, waiting, or running. */
  get inside(): number {
    return this.#inside;
  }

  /** Its engine. @throws {ApiError} 503 while it is loading */
  get engine(): Engine {
    if (this.#engine !== undefined) return this.#engine;
    const failed = this.#failure !== undefined;
    throw new ApiError(503, failed ? 'the model could not be loaded' : 'the model is loading', {
      code: failed ? 'model_failed' : 'model_loading',
      headers: failed ? {} : { 'retry-after': '5' },
    });
  }

  /** Grammars of its vocabulary. */
  get grammars(): Grammars {
    const { model, vocabulary, endTokens } = this.engine;
    return (this.#grammars ??= new Grammars(model.conversation.tokenizer, vocabulary, endTokens));
  }

  /** The engine, if it is there. */
  get engineIfReady(): Engine | undefined {
    return this.#engine;
  }

  /** A request comes in. @returns what is to be called when it is done @throws {ApiError} 429 if the queue is full */
  enter(): () => void {
    if (this.#inside >= this.#limits.sequences + this.#limits.queue) {
      const seconds = Math.ceil((this.#inside / this.#limits.sequences) * this.#pace);
      throw new ApiError(429, `${this.#inside} requests wait or run; try again later`, {
        code: 'queue_full',
        headers: { 'retry-after': String(Math.min(60, Math.max(1, seconds))) },
      });
    }
    this.#inside++;
    const start = performance.now();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#inside--;
      this.#pace += 0.1 * ((performance.now() - start) / 1000 - this.#pace);
    };
  }

  async close(): Promise<void> {
    await this.loaded;
    await this.#engine?.close();
  }
}

/** @throws {FastvError} why the model cannot be served */
export function throwFailure({ failure }: ServedModel): void {
  if (failure === undefined) return;
  throw failure instanceof Error ? failure : new FastvError('inference', 'the model could not be loaded');
}
