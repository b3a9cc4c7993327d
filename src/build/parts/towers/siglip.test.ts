import { describe, expect, it } from 'vitest';
import { buckets } from './siglip.js';

describe('positions of Idefics3', () => {
  const places = (side: number): number[] => Array.from({ length: side }, (_, i) => i);

  it.each([14, 26, 27, 32])('of the published side %i count up', (side) => {
    expect(buckets(side)).toEqual(places(side));
  });

  it('come twice where PyTorch rounds so: seen by running it', () => {
    const repeated = places(39).filter((side) => side > 1 && new Set(buckets(side)).size < side);
    expect(repeated).toEqual([19, 25, 29, 31, 38]);
  });
});
