import { expect, it } from 'vitest';
import { sampleSeed } from './sample-seed.js';

it('differs by sample and by seed, and is the same again', () => {
  const seeds = [0, 1, 2].flatMap((seed) => ['a', 'b', 'c'].map((sample) => sampleSeed(seed, sample)));
  expect(new Set(seeds).size).toBe(9);
  expect(sampleSeed(1, 'b')).toBe(seeds[4]);
  expect(seeds.every((seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)).toBe(true);
});

it('is the condition’s own where no sample is named', () => {
  expect(sampleSeed(7, undefined)).toBe(7);
});
