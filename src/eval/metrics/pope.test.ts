import { expect, it } from 'vitest';
import { pope } from './pope.js';
import type { YesNo } from './yes-no.js';

const samples = (rows: [YesNo | null, YesNo, number][]): { predicted: YesNo | null; label: YesNo }[] =>
  rows.flatMap(([predicted, label, n]) => Array.from({ length: n }, () => ({ predicted, label })));

it('counts as the confusion matrix says', () => {
  const score = pope(
    samples([
      ['yes', 'yes', 40],
      ['yes', 'no', 10],
      ['no', 'yes', 5],
      ['no', 'no', 43],
      [null, 'no', 2],
    ]),
  );
  expect(score.accuracy).toBeCloseTo(0.85, 12);
  expect(score.precision).toBeCloseTo(0.8, 12);
  expect(score.recall).toBeCloseTo(40 / 45, 12);
  expect(score.f1).toBeCloseTo((2 * 0.8 * (40 / 45)) / (0.8 + 40 / 45), 12);
  expect(score.yesRatio).toBeCloseTo(0.5, 12);
  expect(score.unparsed).toBe(2);
});

it('is 0, not NaN, where nothing was said', () => {
  expect(pope([])).toEqual({ accuracy: 0, precision: 0, recall: 0, f1: 0, yesRatio: 0, unparsed: 0 });
});
