import { describe, expect, it } from 'vitest';
import { Random } from '../../scenes/random.js';
import { bootstrapInterval, pairedBootstrap } from './bootstrap.js';

const coins = (n: number, percent: number, seed: number): number[] => {
  const random = new Random(seed);
  return Array.from({ length: n }, () => (random.chance(percent) ? 1 : 0));
};

describe('bootstrapInterval', () => {
  it('is deterministic, and another with another seed', () => {
    const data = coins(200, 70, 1);
    expect(bootstrapInterval(data)).toEqual(bootstrapInterval(data));
    expect(bootstrapInterval(data, { seed: 1 })).not.toEqual(bootstrapInterval(data, { seed: 2 }));
  });

  it('is about as wide as the normal approximation', () => {
    const data = coins(400, 50, 2);
    const { estimate, low, high } = bootstrapInterval(data);
    const width = 2 * 1.96 * Math.sqrt((estimate * (1 - estimate)) / 400);
    expect(high - low).toBeGreaterThan(0.85 * width);
    expect(high - low).toBeLessThan(1.15 * width);
    expect(low).toBeLessThan(estimate);
    expect(high).toBeGreaterThan(estimate);
  });

  it('covers the truth about as often as it says', () => {
    let covered = 0;
    for (let i = 0; i < 200; i++) {
      const { low, high } = bootstrapInterval(coins(80, 60, 1000 + i), { resamples: 300, seed: i });
      if (low <= 0.6 && 0.6 <= high) covered++;
    }
    expect(covered / 200).toBeGreaterThan(0.88);
  });

  it('refuses nothing and nonsense', () => {
    expect(() => bootstrapInterval([])).toThrow(/no samples/);
    expect(() => bootstrapInterval([1], { resamples: 0 })).toThrow(/resamples/);
    expect(() => bootstrapInterval([1], { confidence: 1 })).toThrow(/confidence/);
  });
});

describe('pairedBootstrap', () => {
  it('finds a difference that pairs show', () => {
    const b = coins(300, 60, 3);
    const a = b.map((v, i) => (i % 10 === 0 ? 1 : v));
    const { estimate, low, pValue } = pairedBootstrap(a, b);
    expect(estimate).toBeGreaterThan(0);
    expect(low).toBeGreaterThan(0);
    expect(pValue).toBeLessThan(0.01);
  });

  it('finds none where there is none, and its p-value is never 0', () => {
    const a = coins(300, 60, 4);
    expect(pairedBootstrap(a, a).pValue).toBe(1);
    expect(pairedBootstrap([1, 1, 1], [0, 0, 0], { resamples: 100 }).pValue).toBeGreaterThan(0);
    expect(() => pairedBootstrap([1], [])).toThrow(/paired/);
  });
});
