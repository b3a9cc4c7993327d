import { expect, it } from 'vitest';
import { countMetric } from './count.js';

it.each([
  ['3', 1],
  [' Three ', 1],
  ['three.', 0],
  ['There are 3', 0],
  ['4', 0],
])('%j of 3', (text, score) => {
  expect(countMetric.scoreReply({ choices: null, answers: ['3'], answerIndex: null }, { text }).score).toBe(
    score,
  );
});
