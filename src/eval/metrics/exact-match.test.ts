import { expect, it } from 'vitest';
import { exactMatch, normalizeText } from './exact-match.js';

it.each([
  ['Two', ['two'], 1],
  [' two. ', ['two'], 1],
  ['"two"', ['one', 'two'], 1],
  ['top  left', ['Top left.'], 1],
  ['two cats', ['two'], 0],
  ['', ['two'], 0],
  ['A1!', ['a1'], 1],
  ['C++', ['C'], 1],
  ['-', ['-'], 1],
  ['x', [], 0],
])('%j against %j is %d', (prediction, answers, expected) => {
  expect(exactMatch(prediction, answers)).toBe(expected);
});

it('keeps punctuation inside words, and text of punctuation alone', () => {
  expect(normalizeText("It's 3.5!")).toBe("it's 3.5");
  expect(normalizeText('...')).toBe('...');
});
