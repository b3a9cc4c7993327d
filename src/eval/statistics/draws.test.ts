import { describe, expect, it } from 'vitest';
import { mean } from '../../statistics.js';
import { Draws } from './draws.js';

const variance = (values: readonly number[]): number => {
  const middle = mean(values);
  return mean(values.map((v) => (v - middle) ** 2));
};

describe('Draws', () => {
  it('is even, and the same for the same seed', () => {
    const draws = new Draws(1, 2);
    const values = Array.from({ length: 20_000 }, () => draws.uniform());
    expect(mean(values)).toBeCloseTo(0.5, 2);
    expect(variance(values)).toBeCloseTo(1 / 12, 2);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const again = new Draws(1, 2);
    expect(values.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => again.uniform()));
  });

  it.each([
    [1, 0.5],
    [10, 0.1],
    [1000, 0.3],
    [1000, 0.999],
    [100_000, 0.5],
  ])('binomial of %d and %d has its mean and variance', (n, p) => {
    const draws = new Draws(3);
    const values = Array.from({ length: 20_000 }, () => draws.binomial(n, p));
    const error = 5 * Math.sqrt((n * p * (1 - p)) / values.length);
    expect(Math.abs(mean(values) - n * p)).toBeLessThan(error);
    expect(variance(values) / (n * p * (1 - p))).toBeGreaterThan(0.9);
    expect(variance(values) / (n * p * (1 - p))).toBeLessThan(1.1);
    expect(values.every((v) => Number.isInteger(v) && v >= 0 && v <= n)).toBe(true);
  });

  it('is certain of what is certain', () => {
    const draws = new Draws(4);
    expect([draws.binomial(7, 0), draws.binomial(7, 1), draws.binomial(0, 0.5)]).toEqual([0, 7, 0]);
  });

  it('draws the same distribution by kinds and one by one', () => {
    const draws = new Draws(5);
    const kinds = Array.from({ length: 300 }, (_, i) => (i < 60 ? 0 : i < 150 ? 1 : 2));
    const drawn = new Uint8Array(kinds.length);
    const sums = new Float64Array(3);
    const counts = new Uint32Array(3);
    const [byOne, byKind] = [new Float64Array(3), new Float64Array(3)];
    const add = (sums: Float64Array, counts: Iterable<number>): void => {
      [...counts].forEach((count, kind) => (sums[kind] = (sums[kind] ?? 0) + count / 4000));
      expect([...counts].reduce((a, b) => a + b, 0)).toBe(300);
    };
    for (let i = 0; i < 4000; i++) {
      draws.withReplacement(drawn);
      sums.fill(0);
      drawn.forEach((count, i) => (sums[kinds[i] ?? 0] = (sums[kinds[i] ?? 0] ?? 0) + count));
      add(byOne, sums);
      draws.multinomial(300, [60, 90, 150], counts);
      add(byKind, counts);
    }
    for (const [kind, expected] of [60, 90, 150].entries()) {
      expect(Math.abs((byOne[kind] ?? 0) - expected)).toBeLessThan(1);
      expect(Math.abs((byKind[kind] ?? 0) - expected)).toBeLessThan(1);
    }
  });
});
