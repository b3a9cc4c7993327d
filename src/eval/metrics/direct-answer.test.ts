import { expect, it } from 'vitest';
import { directAnswerAccuracy, directAnswerMetric } from './direct-answer.js';

const answers = (same: number): string[] => [
  ...new Array<string>(same).fill('dog'),
  ...new Array<string>(10 - same).fill('cat'),
];

it.each([
  [0, 0],
  [1, 1 / 3],
  [2, 2 / 3],
  [3, 1],
  [10, 1],
])('%d of ten annotators agree: %d', (same, expected) => {
  expect(directAnswerAccuracy('dog', answers(same))).toBeCloseTo(expected, 12);
});

it('normalises nothing', () => {
  expect(directAnswerAccuracy('Dog', answers(10))).toBe(0);
  expect(
    directAnswerMetric.scoreReply({ choices: null, answers: answers(2), answerIndex: null }, { text: 'dog' }),
  ).toEqual({
    score: 2 / 3,
    choice: null,
  });
});
