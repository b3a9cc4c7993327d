import { expect, it } from 'vitest';
import { mean, median } from './statistics.js';

it('takes the mean of the two in the middle', () => {
  expect(median([10, 20])).toBe(15);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([10, 9, 1, 100])).toBe(9.5);
});

it('has nothing to say of nothing', () => {
  expect(median([])).toBeNaN();
  expect(mean([])).toBeNaN();
  expect(mean([1, 2, 6])).toBe(3);
});

it('leaves its argument as it was', () => {
  const values = [2, 1];
  median(values);
  expect(values).toEqual([2, 1]);
});
