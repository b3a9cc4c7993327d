// A model as the server has it: loading, ready, or failed; with an engine, and a number of requests that may be inside.
import { FastvError } from '../errors.js';
import { VisionCache } from '../eval/vision-cache.js';
import { abortable } from '../runtime/abort.js';
import type { VisionAround } from '../runtime/passes.js';
import type { OpenedModel } from '../runtime/model.js';
import { findStrategy, methodName } from '../strategies/index.js';
import { ApiError, badRequest } from './api-error.js';
import { Engine } from './engine/engine.js';
import type { Pruning } from './engine/prompt.js';
import { Grammars } from './grammar.js';
import type { ServerLimits } from './limits.js';
import { planError, planKey, type Plan } from './plan.js';

/** A model to be served. */
export interface ModelToServe {
  /** What requests call it. */
  readonly id: string;
  /** How pictures are pruned of which the request says nothing (`detail: "auto"`). */
  readonly pruning: Pruning;
  /**
   * How it prunes where a request says nothing; without, a request cannot ask for another plan.
   */
  readonly plan?: Plan;
  /**
   * Opens it.
   * @param vision to be given to `openModel`
   * @param plan in the place of its own
   */
  open(vision: VisionAround, plan?: Plan): Promise<OpenedModel>;
}

/** A decoder of another plan than the server was started with. */
interface Planned {
  readonly engine: Promise<Engine>;
  /** undefined while it is loading. */
  ready: Engine | undefined;
  /** Requests that it is for. */
  users: number;
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
  /** How it prunes where a request says nothing, if that can be changed. */
  readonly plan: Plan | undefined;
  readonly #limits: ServerLimits;
  readonly #open: (plan?: Plan) => Promise<Engine>;
  /** By their keys, the least recently used first. */
  readonly #planned = new Map<string, Planned>();
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
    this.plan = model.plan;
    this.#open = async (plan) => Engine.start(await model.open((run) => cache.before(run), plan), limits);
    this.loaded = this.#open()
      .then((engine) => {
        this.#engine = engine;
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

  /** What its decoders are at. */
  get load(): Engine['load'] {
    const engines = [this.#engine, ...[...this.#planned.values()].map(({ ready }) => ready)];
    const loads = engines.flatMap((engine) => engine?.load ?? []);
    const sum = (of: (load: Engine['load']) => number): number => loads.reduce((n, load) => n + of(load), 0);
    return {
      waiting: sum(({ waiting }) => waiting),
      running: sum(({ running }) => running),
      prefixBytes: sum(({ prefixBytes }) => prefixBytes),
    };
  }

  /**
   * The decoder of a plan, which is loaded if it is not there; the one that was used least recently makes room.
   * @param until what ends the request's use of it adds to
   * @throws {ApiError} 400 for a plan that this decoder cannot have, 429 if all are in use; what the signal was aborted with
   */
  async engineOf(plan: Plan, signal: AbortSignal, until: (end: () => void) => void): Promise<Engine> {
    const { engine: own } = this;
    const key = planKey(plan);
    if (this.plan === undefined || planKey(this.plan) === key) return own;
    if (this.#limits.plans === 0) {
      throw badRequest(
        `this server prunes at layer ${this.plan.layers.join(', ')} by ${methodName({ ...this.plan, strategy: findStrategy(this.plan.strategy).name })}; it is fixed when it starts`,
        'fastv',
      );
    }
    let planned = this.#planned.get(key);
    if (planned === undefined) {
      const free = this.#planned.size < this.#limits.plans;
      const [oldest, old] = free ? [] : ([...this.#planned].find(([, { users }]) => users === 0) ?? []);
      if (!free && (oldest === undefined || old === undefined)) {
        throw new ApiError(429, `${this.#planned.size} other plans are in use; try again later`, {
          param: 'fastv',
          code: 'plans_busy',
          headers: { 'retry-after': '5' },
        });
      }
      if (oldest !== undefined) this.#planned.delete(oldest);
      const engine = (async () => {
        // memory is for so many at once
        await old?.engine.then((one) => one.close());
        return this.#open(plan);
      })();
      planned = { engine, ready: undefined, users: 0 };
      const entry = planned;
      this.#planned.set(key, entry);
      engine.then(
        (one) => {
          entry.ready = one;
        },
        () => {
          this.#planned.delete(key);
        },
      );
    } else {
      this.#planned.delete(key);
      this.#planned.set(key, planned);
    }
    const used = planned;
    used.users++;
    until(() => {
      used.users--;
    });
    try {
      return await abortable(used.engine, signal, () => undefined);
    } catch (error) {
      throw planError(error);
    }
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
    this.#grammars?.close();
    await this.#engine?.close();
    for (const { engine } of this.#planned.values()) {
      // one that could not be loaded was told to whoever asked for it
      const loaded = await engine.catch(() => undefined);
      await loaded?.close();
    }
  }
}

/** @throws {FastvError} why the model cannot be served */
export function throwFailure({ failure }: ServedModel): void {
  if (failure === undefined) return;
  throw failure instanceof Error ? failure : new FastvError('inference', 'the model could not be loaded');
}
