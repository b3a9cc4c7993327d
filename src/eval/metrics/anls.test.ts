import { expect, it } from 'vitest';
import { anls, levenshtein } from './anls.js';

it.each([
  ['hello', ['hello'], 1],
  ['Hello ', ['hello'], 1],
  ['helo', ['hello'], 0.8],
  ['hel', ['hello'], 0.6],
  // half the letters wrong: below the threshold
  ['ab', ['ax', 'yb'], 0],
  ['abc', ['abx'], 2 / 3],
  ['x', ['hello', 'x'], 1],
  ['', ['hello'], 0],
  ['', [''], 1],
  ['x', [], 0],
])('%j against %j is %d', (prediction, answers, expected) => {
  expect(anls(prediction, answers)).toBeCloseTo(expected, 12);
});

it('counts edits', () => {
  expect(levenshtein(Array.from('kitten'), Array.from('sitting'))).toBe(3);
  expect(levenshtein([], Array.from('abc'))).toBe(3);
});
