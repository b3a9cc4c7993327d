import { describe, expect, it } from 'vitest';
import { prefillMacs } from './exact.js';
import { KNOWN_MODELS, knownModel } from './models.js';
import { layerWeights } from './shape.js';

describe('the table of known models', () => {
  it('has each name once, in lower case', () => {
    const names = KNOWN_MODELS.map((model) => model.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toBe(name.toLowerCase());
  });

  it.each(KNOWN_MODELS.map((model) => [model.name, model] as const))('%s is consistent', (_, model) => {
    const { shape } = model;
    expect(shape.heads % shape.kvHeads).toBe(0);
    expect(shape.headDim % 2).toBe(0);
    if (shape.slidingWindow !== undefined) expect(shape.slidingWindow).toHaveLength(shape.layers);
    expect(model.source).toMatch(/config\.json/);
  });

  // Parameters of the language model as its name or paper states them, embeddings included (tied or not).
  it.each([
    ['llava-1.5-7b', 6.74e9, 2],
    ['llava-1.5-13b', 13.0e9, 2],
    ['qwen-vl-chat', 7.7e9, 2],
    ['qwen2-vl-2b', 1.54e9, 1],
    ['qwen2-vl-7b', 7.6e9, 2],
    ['qwen2.5-vl-3b', 3.09e9, 1],
    ['qwen3-vl-4b', 4.02e9, 1],
    ['qwen3-vl-8b', 8.19e9, 2],
    ['smolvlm-256m', 0.1345e9, 1],
    ['smolvlm-500m', 0.362e9, 1],
    ['smolvlm2-2.2b', 1.71e9, 1],
    ['gemma-3-4b', 3.88e9, 1],
    ['paligemma-3b-224', 2.51e9, 1],
    ['llava-onevision-0.5b', 0.494e9, 1],
  ] as const)('%s has as many parameters as it should', (name, stated, embeddings) => {
    const { shape } = knownModel(name);
    const { query, keyValue, output, mlp } = layerWeights(shape);
    const counted =
      shape.layers * (query + keyValue + output + mlp) + embeddings * shape.vocab * shape.hidden;
    expect(counted / stated).toBeGreaterThan(0.98);
    expect(counted / stated).toBeLessThan(1.02);
  });

  it('finds a model whatever the case', () => {
    expect(knownModel('LLaVA-1.5-7B').name).toBe('llava-1.5-7b');
  });

  it('lists the names when it has none', () => {
    expect(() => knownModel('gpt-4')).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        hint: expect.stringContaining('smolvlm-256m') as string,
      }),
    );
  });

  it('gives the 7B a prefill of about 4.1 TMACs at the paper’s tokens', () => {
    const cost = prefillMacs(knownModel('llava-1.5-7b').shape, { text: 36, image: 576 });
    expect(cost.total / 1e12).toBeGreaterThan(4);
    expect(cost.total / 1e12).toBeLessThan(4.2);
  });
});
