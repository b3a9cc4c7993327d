import { describe, expect, it } from 'vitest';
import { grid, gridScores } from './grid.js';

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

describe('grid', () => {
  it('spreads over each image for itself, and says nothing of text', () => {
    const images = [
      { positions: [1, 2, 3, 4], rows: 2, columns: 2 },
      { positions: [6, 7, 8], rows: 1, columns: 3 },
    ];
    expect(Array.from(grid.scores({ length: 9, images }))).toEqual([
      0,
      ...gridScores(2, 2),
      0,
      ...gridScores(1, 3),
    ]);
  });
});
