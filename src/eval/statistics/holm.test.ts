import { expect, it } from 'vitest';
import { holm } from './holm.js';

it('is what R says: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")', () => {
  expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual(
    [0.03, 0.06, 0.06, 0.02].map((p) => expect.closeTo(p, 12) as number),
  );
  expect(holm([0.8, 0.9])).toEqual([1, 1]);
  expect(holm([])).toEqual([]);
});
