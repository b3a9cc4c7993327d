import { expect, it } from 'vitest';
import { mcnemarExact } from './mcnemar.js';

/** `both` right in both, then b only in the first, c only in the second. */
const answers = (both: number, b: number, c: number): [boolean[], boolean[]] => {
  const repeat = (value: boolean, n: number): boolean[] => new Array<boolean>(n).fill(value);
  return [
    [...repeat(true, both), ...repeat(true, b), ...repeat(false, c)],
    [...repeat(true, both), ...repeat(false, b), ...repeat(true, c)],
  ];
};

it.each([
  // two-sided binomial tails: 2·P(X ≤ min) for X ~ B(b + c, ½)
  [5, 0, 5, 0.0625],
  [5, 1, 5, 0.21875],
  [5, 2, 8, 0.109375],
  [0, 3, 3, 1],
  [9, 0, 0, 1],
])('%d in common, %d against %d: p = %d', (both, b, c, p) => {
  const result = mcnemarExact(...answers(both, b, c));
  expect(result.pValue).toBeCloseTo(p, 12);
  expect([result.onlyFirst, result.onlySecond]).toEqual([b, c]);
});

it('stays finite for thousands of differences', () => {
  const { pValue } = mcnemarExact(...answers(0, 1900, 2100));
  expect(pValue).toBeGreaterThan(0.001);
  expect(pValue).toBeLessThan(0.003);
});

it('refuses unequal numbers of answers', () => {
  expect(() => mcnemarExact([true], [])).toThrow(/paired/);
});
