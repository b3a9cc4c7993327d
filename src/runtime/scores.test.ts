import { describe, expect, it } from 'vitest';
import { gridScores, randomScores } from './scores.js';

describe('randomScores', () => {
  it('repeats with the seed, and differs with seed and row', () => {
    expect(randomScores(50, 3, 0)).toEqual(randomScores(50, 3, 0));
    expect(randomScores(50, 3, 0)).not.toEqual(randomScores(50, 4, 0));
    expect(randomScores(50, 3, 0)).not.toEqual(randomScores(50, 3, 1));
  });
  it('is spread over [0, 1) without ties', () => {
    const scores = randomScores(2000, 1, 0);
    expect(new Set(scores).size).toBe(2000);
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...scores)).toBeLessThan(1);
    const mean = scores.reduce((a, b) => a + b, 0) / 2000;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
  });
});

describe('gridScores', () => {
  const top = (rows: number, columns: number, n: number): number[] =>
    Array.from(gridScores(rows, columns), (score, index) => ({ score, index }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .slice(0, n)
      .map(({ index }) => index);

  it('keeps every other token in both directions at a quarter', () => {
    const kept = top(12, 12, 36).sort((a, b) => a - b);
    expect(kept).toEqual(Array.from({ length: 36 }, (_, i) => Math.floor(i / 6) * 24 + (i % 6) * 2));
  });
  it('spreads any number over the quadrants', () => {
    for (const n of [8, 20, 50, 100]) {
      const quadrants = [0, 0, 0, 0];
      for (const index of top(16, 16, n)) {
        const q = (index >> 7) * 2 + ((index >> 3) & 1);
        quadrants[q] = (quadrants[q] ?? 0) + 1;
      }
      expect(Math.max(...quadrants) - Math.min(...quadrants)).toBeLessThanOrEqual(1);
    }
  });
  it('has no ties', () => {
    expect(new Set(gridScores(24, 31)).size).toBe(24 * 31);
  });
});
