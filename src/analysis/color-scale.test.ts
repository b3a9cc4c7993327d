import { describe, expect, it } from 'vitest';
import { divergingScale, niceEnd, scaleTicks, sequentialScale } from './color-scale.js';

const channels = (color: string): number[] => [...color.matchAll(/\d+/g)].map(Number);
/** How far a colour is from grey. */
const strength = (color: string): number => Math.max(...channels(color)) - Math.min(...channels(color));

describe('divergingScale', () => {
  it('is neutral at its pivot, whatever the numbers are', () => {
    for (const values of [[0, 0, 0], [-0.2, 0], [-60, 3], [5]]) {
      expect(strength(divergingScale(values, 0, 5).color(0))).toBeLessThan(12);
    }
    expect(strength(divergingScale([0.2, 0.9], 0.5, 0.1).color(0.5))).toBeLessThan(12);
  });

  it('is as strong above as below, and nearly nothing is weak', () => {
    const scale = divergingScale([-20, 4], 0, 5);
    expect([scale.from, scale.to]).toEqual([-20, 20]);
    const [red = 0, , blue = 0] = channels(scale.color(-20));
    expect(red).toBeGreaterThan(blue);
    expect(strength(divergingScale([-0.2], 0, 5).color(-0.2))).toBeLessThan(25);
  });

  it('shows one side only where nothing lies on the other', () => {
    expect(divergingScale([-20, 0], 0, 5)).toMatchObject({ from: -20, to: 0 });
    expect(divergingScale([0, 20], 0, 5)).toMatchObject({ from: 0, to: 20 });
    expect(divergingScale([0], 0, 5)).toMatchObject({ from: -5, to: 5 });
    expect(divergingScale([], 0, 5)).toMatchObject({ from: -5, to: 5 });
  });
});

describe('sequentialScale', () => {
  it('begins at 0 and ends where it is told to', () => {
    const scale = sequentialScale(100);
    expect([scale.from, scale.to]).toEqual([0, 100]);
    expect(scale.color(120)).toBe(scale.color(100));
    const light = (value: number): number => channels(scale.color(value)).reduce((a, b) => a + b, 0);
    expect(light(0)).toBeGreaterThan(light(50));
    expect(light(50)).toBeGreaterThan(light(100));
  });
});

describe('scaleTicks', () => {
  it('are round, and six at the most', () => {
    expect(scaleTicks(sequentialScale(100))).toEqual([0, 20, 40, 60, 80, 100]);
    expect(scaleTicks(divergingScale([-21.6], 0, 10))).toEqual([-25, -20, -15, -10, -5, 0]);
    expect(scaleTicks(divergingScale([0], 0, 10))).toEqual([-10, -5, 0, 5, 10]);
    expect(scaleTicks(sequentialScale(1.7))).toEqual([0, 0.5, 1, 1.5]);
    for (const end of [0.003, 0.7, 7, 13, 1e6]) {
      const ticks = scaleTicks(sequentialScale(end));
      expect(ticks.length).toBeGreaterThan(2);
      expect(ticks.length).toBeLessThan(7);
    }
  });

  it('end where a reader can say', () => {
    expect([0.23, 0.2, 21.6, 9.1, 100, 0.26].map(niceEnd).map((v) => Number(v.toFixed(9)))).toEqual([
      ...[0.25, 0.2, 25, 10, 100, 0.3],
    ]);
  });
});
