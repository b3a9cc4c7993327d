import { describe, expect, it } from 'vitest';
import { overlap, regionOf } from './scene.js';

describe('regionOf', () => {
  it.each([
    [{ x: 0, y: 0, width: 20, height: 20 }, 'top left'],
    [{ x: 38, y: 38, width: 20, height: 20 }, 'middle center'],
    [{ x: 76, y: 76, width: 20, height: 20 }, 'bottom right'],
    [{ x: 21, y: 0, width: 20, height: 20 }, 'top left'],
    [{ x: 22, y: 0, width: 20, height: 20 }, 'top center'],
  ])('%o lies %s', (box, region) => {
    expect(regionOf(box)).toBe(region);
  });
});

describe('overlap', () => {
  const box = { x: 10, y: 10, width: 10, height: 10 };
  it('counts touching boxes as clear, unless a gap is asked for', () => {
    const next = { x: 20, y: 10, width: 5, height: 5 };
    expect(overlap(box, next)).toBe(false);
    expect(overlap(box, next, 1)).toBe(true);
    expect(overlap(box, { ...next, x: 19 })).toBe(true);
  });
});
