import { describe, expect, it } from 'vitest';
import { findTasks } from '../eval/tasks/index.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import type { FastvError } from '../errors.js';
import { PARTS } from './allocation-plot.js';
import { AllocationSum, efficiency, partsOfPrompt } from './allocation.js';
import { analyzeAttention } from './analyze.js';

describe('allocation', () => {
  const prompt = partsOfPrompt([false, true, true, false]);

  it('parts the prompt at its images', () => {
    expect(prompt).toEqual(['system', 'image', 'image', 'instruction']);
    expect(partsOfPrompt([false, false])).toEqual(['system', 'system']);
    expect(partsOfPrompt([true, false, true])).toEqual(['image', 'instruction', 'image']);
  });

  it('averages over output tokens', () => {
    const sum = new AllocationSum();
    sum.add([Float32Array.of(0.5, 0.25, 0.125, 0.125)], prompt, [1, 2]);
    sum.add([Float32Array.of(0.25, 0.25, 0.125, 0.125, 0.25)], prompt, [1, 2]);
    const { layers, tokens, rows, imageMaps } = sum.result();
    expect(rows).toBe(2);
    expect(layers).toEqual([{ system: 0.375, image: 0.375, instruction: 0.125, output: 0.125 }]);
    expect(tokens).toEqual({ system: 1, image: 2, instruction: 1, output: 0.5 });
    expect(imageMaps).toEqual([[0.25, 0.125]]);
    expect(efficiency(layers[0] ?? expect.fail(), tokens).image).toBeCloseTo(0.375 / (2 / 4.5), 12);
    expect(efficiency(layers[0] ?? expect.fail(), { ...tokens, output: 0 }).output).toBeNull();
  });
});

describe('analyzeAttention', () => {
  it('gives every layer of the embedded model parts that sum to 1', async () => {
    const tasks = findTasks(['scenes-existence', 'scenes-color']);
    const { layers, rows, tokens, imageMaps, positionBias } = await analyzeAttention({
      model: EMBEDDED_MODEL,
      tasks,
      limit: 2,
    });
    expect(layers).toHaveLength(10);
    expect(rows).toBeGreaterThanOrEqual(4);
    expect(tokens.image).toBe(144);
    for (const layer of layers) {
      expect(PARTS.reduce((sum, part) => sum + layer[part], 0)).toBeCloseTo(1, 4);
    }
    expect(imageMaps[0]).toHaveLength(144);
    expect(positionBias.map(({ layer }) => layer)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const { byPosition, byRow, byColumn } of positionBias) {
      // half of the tokens are dropped, wherever they lie: tenths are not all of one size
      const shares = byPosition.map((share) => share ?? NaN);
      expect(shares.reduce((a, b) => a + b, 0) / 10).toBeCloseTo(0.5, 1);
      expect([...byRow, ...byColumn].every((share) => share !== null && share >= 0 && share <= 1)).toBe(true);
    }
  }, 120_000);

  it('takes quantised decoders, and maps one image of several', async () => {
    const options = { model: EMBEDDED_MODEL, dtype: 'q8', limit: 1, ratio: 0.75 };
    const { layers, imageMaps, tokens, positionBias } = await analyzeAttention({
      ...options,
      tasks: findTasks(['scenes-multi-image']),
    });
    expect(tokens.image).toBeGreaterThan(144);
    expect(imageMaps[0]).toHaveLength(144);
    expect(positionBias[0]?.ratio).toBe(0.75);
    for (const layer of layers) {
      expect(PARTS.reduce((sum, part) => sum + layer[part], 0)).toBeCloseTo(1, 4);
    }
  }, 120_000);

  it('refuses a folder without a model, and weights that it has not', async () => {
    const io = { code: 'io' } satisfies Partial<FastvError>;
    await expect(analyzeAttention({ model: '/absent', tasks: [], limit: 1 })).rejects.toMatchObject(io);
    await expect(
      analyzeAttention({ model: EMBEDDED_MODEL, dtype: 'q4f16', tasks: [], limit: 1 }),
    ).rejects.toMatchObject(io);
  });
});
