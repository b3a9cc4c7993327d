import { describe, expect, it } from 'vitest';
import { PositionBiasSum } from './position-bias.js';
import { positionBiasPlot } from './position-bias-plot.js';

/** A prompt of one token, an image of 4 × 5 tokens, and another. */
const image = { positions: Array.from({ length: 20 }, (_, i) => i + 1), rows: 4, columns: 5 };
const rowOf = (of: (i: number) => number): Float32Array =>
  Float32Array.from({ length: 22 }, (_, i) => (i === 0 || i === 21 ? 9 : of(i - 1)));

describe('PositionBiasSum', () => {
  it('tells which parts of the picture are dropped', () => {
    const sum = new PositionBiasSum(0.5);
    // layer 0 looks at the end of the image, layer 1 at its left, layer 2 is the last: no K after it
    sum.add([rowOf((i) => i / 20), rowOf((i) => -(i % 5)), rowOf(() => 0)], [image]);
    const [first, second, ...rest] = sum.result();
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ layer: 1, ratio: 0.5, byPosition: [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] });
    // four rows in fifths of the height: the middle fifth holds none
    expect(first?.byRow).toEqual([1, 1, null, 0, 0]);
    expect(first?.byColumn).toEqual([0.5, 0.5, 0.5, 0.5, 0.5]);
    expect(first?.correlation.position).toBeCloseTo(-Math.sqrt(0.75) * Math.sqrt(400 / 399), 6);
    expect(first?.correlation.column).toBeCloseTo(0, 12);
    expect(second?.layer).toBe(2);
    // of equal scores the first stay: the third column's upper two
    expect(second?.byColumn).toEqual([0, 0, 0.5, 1, 1]);
    expect(second?.correlation.column).toBeGreaterThan(0.8);
  });

  it('takes all prompts together, and knows no rows where the grid is unknown', () => {
    const sum = new PositionBiasSum(0.5);
    const flat = { positions: [1, 2, 3, 4], rows: 1, columns: 4 };
    const falling = Float32Array.of(0, 4, 3, 2, 1);
    const rising = Float32Array.of(0, 1, 2, 3, 4);
    sum.add([falling, falling], [flat]);
    sum.add([rising, falling], [flat]);
    sum.add([rising, falling], []);
    const [bias] = sum.result();
    expect(bias?.byPosition.filter((share) => share !== null)).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect(bias?.byRow).toEqual([null, null, null, null, null]);
    expect(bias?.correlation).toEqual({ position: 0, row: null, column: null });
    expect(positionBiasPlot(sum.result())).toContain('50%');
    expect(positionBiasPlot([])).toBeNull();
  });

  it('has no correlation where nothing is dropped', () => {
    const sum = new PositionBiasSum(0);
    sum.add([rowOf((i) => i), rowOf((i) => i)], [image]);
    expect(sum.result()[0]?.correlation.position).toBeNull();
    expect(sum.result()[0]?.byPosition).toEqual(new Array(10).fill(0));
  });
});
