import { describe, expect, it } from 'vitest';
import { findTasks } from '../eval/tasks/index.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
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
    sum.add([Float32Array.of(0.5, 0.25, 0.125, 0.125)], prompt);
    sum.add([Float32Array.of(0.25, 0.25, 0.125, 0.125, 0.25)], prompt);
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
    const { layers, rows, tokens, imageMaps } = await analyzeAttention({
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
  }, 120_000);

  it('refuses a folder without a model', async () => {
    await expect(analyzeAttention({ model: '/absent', tasks: [], limit: 1 })).rejects.toThrow();
  });
});
