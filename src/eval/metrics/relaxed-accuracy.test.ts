import { expect, it } from 'vitest';
import { findMetric } from './index.js';
import { relaxedAccuracy } from './relaxed-accuracy.js';

it.each([
  ['10', '10', 1],
  ['10.5', '10', 1],
  ['10.6', '10', 0],
  ['-9.5', '-10', 1],
  ['10', '-10', 0],
  ['48%', '0.5', 1],
  ['47%', '0.5', 0],
  ['50%', '50', 0],
  ['1e1', '10', 1],
  ['0', '0', 1],
  ['0.01', '0', 0],
  ['Yes', 'yes', 1],
  [' blue ', 'blue', 1],
  ['light blue', 'blue', 0],
  ['ten', '10', 0],
  ['', '10', 0],
  ['%', '%', 1],
  ['2019-2020', '2019', 0],
])('%j for %j is %d', (prediction, answer, score) => {
  expect(relaxedAccuracy(prediction, [answer])).toBe(score);
});

it('takes the best of several answers, and is found by its name', () => {
  expect(relaxedAccuracy('7', ['8', '7.2'])).toBe(1);
  expect(findMetric('relaxed-accuracy').label).toBe('relaxed accuracy');
});
