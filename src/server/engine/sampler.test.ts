import { describe, expect, it } from 'vitest';
import type { GenerationConfig } from './hf-model.js';
import { Sampler, type Sampling } from './sampler.js';

const LOGITS = [1, 3, 2.9, 2.8, -5];
const SAMPLING: Sampling = { seed: 1, frequencyPenalty: 0, presencePenalty: 0, logitBias: new Map() };
const drawing = { do_sample: true, temperature: 1, top_k: 2, top_p: 1 } as unknown as GenerationConfig;

/** The tokens that come, by many seeds. */
function drawn(sampling: Partial<Sampling>, config: GenerationConfig): ReadonlySet<number> {
  const ids = Array.from({ length: 200 }, (_, seed) => {
    const sampler = new Sampler({ ...SAMPLING, ...sampling, seed }, config);
    return sampler.next(Float32Array.from(LOGITS), Float32Array.from(LOGITS)).id;
  });
  return new Set(ids);
}

describe('a sampler', () => {
  it('is greedy where neither the request nor the model says otherwise', () => {
    const config = { do_sample: false, temperature: 1, top_k: 2, top_p: 1 } as unknown as GenerationConfig;
    expect([...drawn({}, config)]).toEqual([1]);
  });

  it('draws as the model’s own settings say, of their likeliest tokens', () => {
    expect([...drawn({}, drawing)].sort()).toEqual([1, 2]);
  });

  it('draws of all tokens where the request says a temperature, and not at all where that is 0', () => {
    expect([...drawn({ temperature: 1 }, drawing)].sort()).toEqual([0, 1, 2, 3]);
    expect([...drawn({ temperature: 0 }, drawing)]).toEqual([1]);
    expect([...drawn({ temperature: 1, topP: 0.5 }, drawing)].sort()).toEqual([1, 2]);
  });
});
