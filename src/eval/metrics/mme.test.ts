import { expect, it } from 'vitest';
import { mme, mmeAnswer } from './mme.js';

const pair = (category: string, image: string, first: boolean, second: boolean) =>
  [first, second].map((right) => ({ category, image, right }));

it('sums accuracy and accuracy+ over the categories', () => {
  const score = mme([
    ...pair('color', '1', true, true),
    ...pair('color', '2', true, false),
    ...pair('OCR', '1', true, true),
    ...pair('code_reasoning', '1', false, false),
    ...pair('code_reasoning', '2', true, true),
  ]);
  expect(score.categories['color']).toEqual({ accuracy: 75, accuracyPlus: 50 });
  expect(score.perception).toBe(75 + 50 + 200);
  expect(score.cognition).toBe(50 + 50);
});

it('refuses an image with one question', () => {
  expect(() => mme([{ category: 'color', image: '1', right: true }])).toThrow(/1 question/);
});

it.each([
  ['Yes', 'yes'],
  ['no.', 'no'],
  [' Yes, it is', 'yes'],
  ['Not at all', 'no'],
  ['Y', 'yes'],
  ['n', 'no'],
  ['It is, yes', null],
  ['', null],
])('reads %j as %j, as the benchmark does', (reply, answer) => {
  expect(mmeAnswer(reply)).toBe(answer);
});
