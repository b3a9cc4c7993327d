import { describe, expect, it } from 'vitest';
import { random, randomScores } from './random.js';

describe('randomScores', () => {
  it('repeats with the seed, and differs with seed and row', () => {
    expect(randomScores(50, 3, 0)).toEqual(randomScores(50, 3, 0));
    expect(randomScores(50, 3, 0)).not.toEqual(randomScores(50, 4, 0));
    expect(randomScores(50, 3, 0)).not.toEqual(randomScores(50, 3, 1));
    expect(randomScores(50, 2 ** 40, 0)).not.toEqual(randomScores(50, 0, 0));
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

describe('random', () => {
  it('draws by seed and row', () => {
    const row = { length: 7, images: [] };
    expect(random.scores(row, { seed: 5, row: 2 })).toEqual(randomScores(7, 5, 2));
  });
});
