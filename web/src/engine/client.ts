// The page's side of the worker.
import { proxy, wrap, type Remote } from 'comlink';
import type { Cached } from '../../../src/runtime/cached-model.js';
import type { Engine } from './engine.js';
import type { Answered, AttentionMaps, LoadedModel, LoadProgress, LoadRequest, Question } from './types.js';

/** The engine, whose work ends what it was doing when something newer is wanted. */
export class EngineClient {
  readonly #engine: Remote<Engine>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor() {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      type: 'module',
      name: document.baseURI,
    });
    this.#engine = wrap<Engine>(worker);
  }

  load(request: LoadRequest, onProgress: (progress: LoadProgress) => void): Promise<LoadedModel> {
    return this.#next(() => this.#engine.load(request, proxy(onProgress)));
  }

  ask(question: Question, onText: (text: string) => void): Promise<Answered> {
    return this.#next(() => this.#engine.ask(question, proxy(onText)));
  }

  attention(question: Question): Promise<AttentionMaps> {
    return this.#next(() => this.#engine.attention(question));
  }

  /** Models that are kept; asked beside whatever runs, which it does not disturb. */
  kept(): Promise<readonly Cached[]> {
    return this.#engine.kept();
  }

  forget(name: string): Promise<readonly Cached[]> {
    return this.#engine.forget(name);
  }

  /** Ends the answer that is being made; it rejects with an AbortError. */
  abort(): void {
    void this.#engine.abort();
  }

  /** One after the other: the worker has one model, and times must not disturb one another. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
