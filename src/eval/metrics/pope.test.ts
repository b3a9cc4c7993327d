import { expect, it } from 'vitest';
import { pope, popeAnswer } from './pope.js';
import type { YesNo } from './yes-no.js';

const samples = (rows: [YesNo, YesNo, number][]): { predicted: YesNo; label: YesNo }[] =>
  rows.flatMap(([predicted, label, n]) => Array.from({ length: n }, () => ({ predicted, label })));

it('counts as the confusion matrix says', () => {
  const score = pope(
    samples([
      ['yes', 'yes', 40],
      ['yes', 'no', 10],
      ['no', 'yes', 5],
      ['no', 'no', 45],
    ]),
  );
  expect(score.accuracy).toBeCloseTo(0.85, 12);
  expect(score.precision).toBeCloseTo(0.8, 12);
  expect(score.recall).toBeCloseTo(40 / 45, 12);
  expect(score.f1).toBeCloseTo((2 * 0.8 * (40 / 45)) / (0.8 + 40 / 45), 12);
  expect(score.yesRatio).toBeCloseTo(0.5, 12);
});

it('is 0, not NaN, where nothing was said', () => {
  expect(pope([])).toEqual({ accuracy: 0, precision: 0, recall: 0, f1: 0, yesRatio: 0 });
});

it.each([
  ['Yes', 'yes'],
  ['No, there is none.', 'no'],
  ['There is not a dog.', 'no'],
  ['Yes. There is no cat.', 'yes'],
  ['Yes, no doubt', 'no'],
  ['none', 'yes'],
  ['', 'yes'],
])('reads %j as %s, as the authors do', (reply, answer) => {
  expect(popeAnswer(reply)).toBe(answer);
});
