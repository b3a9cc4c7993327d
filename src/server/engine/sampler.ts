// From logits to a token, as a request asks: penalties, temperature, nucleus, seed, and the probabilities of what might
// have come instead.
//
// Definitions: OpenAI's API reference for the penalties and logit_bias (µ ← µ − count · frequency − [count > 0] ·
// presence + bias); Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020), for top_p.
import { Random } from '../../scenes/random.js';
import type { GenerationConfig } from './hf-model.js';

/** How tokens are chosen. What is undefined is as the model's own generation settings say. */
export interface Sampling {
  /** 0: the most likely token. */
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly logitBias: ReadonlyMap<number, number>;
  /** How many likely tokens are told with each; undefined: no probabilities at all. */
  readonly topLogprobs?: number;
}

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

/** A token that was chosen. */
export interface Chosen extends TokenLogprob {
  /** The likeliest tokens, the first one first. */
  readonly top: readonly TokenLogprob[];
}

/** Chooses the tokens of one sequence. */
export class Sampler {
  readonly #sampling: Sampling;
  readonly #temperature: number;
  readonly #topP: number;
  readonly #topK: number;
  readonly #random: Random;
  readonly #counts = new Map<number, number>();

  constructor(sampling: Sampling, config: GenerationConfig) {
    this.#sampling = sampling;
    const own = config.do_sample ? config.temperature : 0;
    this.#temperature = sampling.temperature ?? own;
    this.#topP = sampling.topP ?? (config.do_sample ? config.top_p : 1);
    // a request cannot say it: it is the model's, where the model's own settings are sampled with
    this.#topK = sampling.temperature === undefined && config.do_sample ? config.top_k : 0;
    this.#random = new Random(sampling.seed);
  }

  /**
   * Chooses a token.
   * @param raw what the model said, `[vocabulary]`: the probabilities that are told are of these
   * @param logits the same after the model's own processors; changed
   * @param allowed bits of the tokens that may be chosen, 32 an entry
   */
  next(raw: Float32Array, logits: Float32Array, allowed?: Int32Array): Chosen {
    const { frequencyPenalty, presencePenalty, logitBias } = this.#sampling;
    for (const [id, count] of this.#counts) {
      logits[id] = (logits[id] ?? 0) - count * frequencyPenalty - presencePenalty;
    }
    for (const [id, bias] of logitBias) if (id < logits.length) logits[id] = (logits[id] ?? 0) + bias;
    if (allowed !== undefined) {
      for (let id = 0; id < logits.length; id++) {
        if ((((allowed[id >> 5] ?? 0) >>> (id & 31)) & 1) === 0) logits[id] = -Infinity;
      }
    }
    const id = this.#temperature === 0 ? largest(logits) : this.#draw(logits);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    return this.#told(raw, id);
  }

  #draw(logits: Float32Array): number {
    const temperature = this.#temperature;
    const most = logits[largest(logits)] ?? 0;
    const weights: { id: number; weight: number }[] = [];
    let sum = 0;
    for (let id = 0; id < logits.length; id++) {
      const weight = Math.exp(((logits[id] ?? -Infinity) - most) / temperature);
      if (weight === 0) continue;
      weights.push({ id, weight });
      sum += weight;
    }
    if (this.#topP < 1 || this.#topK > 0) {
      weights.sort((a, b) => b.weight - a.weight || a.id - b.id);
      if (this.#topK > 0 && weights.length > this.#topK) {
        weights.length = this.#topK;
        sum = weights.reduce((total, { weight }) => total + weight, 0);
      }
      // the smallest set of likeliest tokens with at least top_p of the probability
      const enough = this.#topP * sum;
      let count = 0;
      sum = 0;
      while (count < weights.length && (count === 0 || sum < enough)) sum += weights[count++]?.weight ?? 0;
      weights.length = count;
    }
    let left = (this.#random.next() / 2 ** 32) * sum;
    for (const { id, weight } of weights) {
      left -= weight;
      if (left < 0) return id;
    }
    return weights.at(-1)?.id ?? largest(logits);
  }

  #told(raw: Float32Array, id: number): Chosen {
    const { topLogprobs } = this.#sampling;
    if (topLogprobs === undefined) return { id, logprob: NaN, top: [] };
    const most = raw[largest(raw)] ?? 0;
    let sum = 0;
    for (const logit of raw) sum += Math.exp(logit - most);
    const base = most + Math.log(sum);
    const of = (token: number): TokenLogprob => ({ id: token, logprob: (raw[token] ?? -Infinity) - base });
    const top: number[] = [];
    for (let token = 0; token < raw.length; token++) {
      const logit = raw[token] ?? -Infinity;
      if (top.length === topLogprobs && logit <= (raw[top.at(-1) ?? -1] ?? Infinity)) continue;
      const at = top.findIndex((other) => (raw[other] ?? -Infinity) < logit);
      top.splice(at < 0 ? top.length : at, 0, token);
      if (top.length > topLogprobs) top.pop();
    }
    return { ...of(id), top: top.map(of) };
  }
}

/** The place of the largest number, the first one of several. */
export function largest(numbers: Float32Array): number {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) {
    if ((numbers[i] ?? -Infinity) > (numbers[best] ?? -Infinity)) best = i;
  }
  return best;
}
