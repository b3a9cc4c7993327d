import { expect, it } from 'vitest';
import { loyalty } from './loyalty.js';

const replies = (...pairs: [string, string][]) => new Map(pairs);

it('is the share of agreeing replies, right or wrong', () => {
  const { score, each } = loyalty(
    replies(['1', 'Dog.'], ['2', 'cat'], ['3', '']),
    replies(['1', 'dog'], ['2', 'dog'], ['3', ''], ['4', 'x']),
  );
  expect(score).toBeCloseTo(2 / 3, 12);
  expect([...each.values()]).toEqual([1, 0, 1]);
});

it('refuses samples that the unpruned model has not answered, and none', () => {
  expect(() => loyalty(replies(['1', 'a']), replies())).toThrow(/unpruned/);
  expect(() => loyalty(replies(), replies())).toThrow(/no samples/);
});
