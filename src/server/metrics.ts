// What a Prometheus reads: requests, the queue, times to the first token, rates, kept tokens, memory.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ServedModel } from './served-model.js';
import type { Usage } from './usage.js';

/** Seconds. */
const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** The metrics of one server. */
export class Metrics {
  readonly registry = new Registry();
  readonly #firstToken: Histogram<'model'>;
  readonly #rate: Histogram<'model'>;
  readonly #tokens: Counter<'model' | 'kind'>;
  readonly #imageTokens: Counter<'model' | 'kind'>;
  readonly #answers: Counter<'model' | 'outcome'>;

  constructor(models: readonly ServedModel[]) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#firstToken = new Histogram({
      name: 'fastv_time_to_first_token_seconds',
      help: 'From the request to its first token',
      labelNames: ['model'],
      buckets: SECONDS,
      registers,
    });
    this.#rate = new Histogram({
      name: 'fastv_tokens_per_second',
      help: 'Tokens a second of a request, while it was decoded',
      labelNames: ['model'],
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
      registers,
    });
    this.#tokens = new Counter({
      name: 'fastv_tokens_total',
      help: 'Tokens of prompts, those of them that came from the cache, and tokens of answers',
      labelNames: ['model', 'kind'],
      registers,
    });
    this.#imageTokens = new Counter({
      name: 'fastv_image_tokens_total',
      help: 'Image tokens of prompts, and those of them that were kept',
      labelNames: ['model', 'kind'],
      registers,
    });
    this.#answers = new Counter({
      name: 'fastv_answers_total',
      help: 'Requests to a model by how they ended: ok, refused, aborted, failed',
      labelNames: ['model', 'outcome'],
      registers,
    });
    const gauge = (name: string, help: string, of: (model: ServedModel) => number): void => {
      new Gauge({
        name,
        help,
        labelNames: ['model'],
        registers,
        collect() {
          for (const model of models) this.set({ model: model.id }, of(model));
        },
      });
    };
    gauge('fastv_model_ready', 'Whether the model is loaded', ({ ready }) => (ready ? 1 : 0));
    gauge('fastv_requests_inside', 'Requests that are read, wait or run', ({ inside }) => inside);
    gauge('fastv_queue_length', 'Requests that wait', ({ load }) => load.waiting);
    gauge('fastv_sequences_running', 'Sequences that are decoded', ({ load }) => load.running);
    gauge('fastv_prefix_cache_bytes', 'Bytes of kept KV caches', ({ load }) => load.prefixBytes);
    gauge(
      'fastv_vision_cache_hits',
      'Runs of the vision encoder that were saved',
      ({ vision }) => vision.hits,
    );
    gauge('fastv_vision_encoder_runs', 'Runs of the vision encoder', ({ vision }) => vision.runs);
  }

  /** A request ended. */
  ended(model: string, outcome: 'ok' | 'refused' | 'aborted' | 'failed'): void {
    this.#answers.inc({ model, outcome });
  }

  /** What a request took. */
  used(model: string, usage: Usage, firstTokenMs: number): void {
    const { prompt_tokens: prompt, completion_tokens: completion, fastv } = usage;
    this.#firstToken.observe({ model }, firstTokenMs / 1000);
    if (completion > 1 && fastv.ms.decode > 0)
      this.#rate.observe({ model }, ((completion - 1) * 1000) / fastv.ms.decode);
    this.#tokens.inc({ model, kind: 'prompt' }, prompt);
    this.#tokens.inc({ model, kind: 'cached' }, usage.prompt_tokens_details.cached_tokens);
    this.#tokens.inc({ model, kind: 'completion' }, completion);
    this.#imageTokens.inc({ model, kind: 'given' }, fastv.image_tokens);
    this.#imageTokens.inc({ model, kind: 'kept' }, fastv.kept_image_tokens);
  }
}
