import { expect, it } from 'vitest';
import { percent, percentNumber, signed } from './numbers.js';

it('writes shares', () => {
  expect([0.5, null, undefined, NaN].map((share) => percent(share))).toEqual(['50.0', '—', '—', '—']);
  expect([0.5, 0.125, 1 / 3, 0.29].map(percentNumber)).toEqual(['50', '12.5', '33.33', '29']);
});

it('gives every number but 0 its sign', () => {
  expect([2, -2, 0, -0, 0.04, -0.04].map((value) => signed(value))).toEqual([
    ...['+2.0', '−2.0', '±0.0', '±0.0', '±0.0', '±0.0'],
  ]);
  expect(signed(-3.6, 0)).toBe('−4');
});
