import { expect, it } from 'vitest';
import { fakeAnswerer } from '../../test/eval/fake-answerer.js';
import { prunedCondition, UNPRUNED } from './answerer.js';
import { estimateRun } from './estimate.js';
import { findTasks } from './tasks/index.js';

const tasks = findTasks(['scenes-color', 'scenes-text'], []);
const conditions = [UNPRUNED, prunedCondition(2, 0.5), prunedCondition(2, 0.9)];

it('asks the first question twice, and counts what the grid comes to', async () => {
  const answerer = fakeAnswerer();
  let now = 0;
  const estimate = await estimateRun(answerer, { out: '', tasks, conditions, limit: 50 }, () => (now += 250));
  expect(estimate).toEqual({ answers: 300, secondsEach: 0.25 });
  expect(answerer.asked).toHaveLength(2);
  expect(answerer.asked[0]).toEqual(answerer.asked[1]);
});

it('knows no number of answers where the dataset has as many questions as it has', async () => {
  const { answers } = await estimateRun(fakeAnswerer(), { out: '', tasks, conditions });
  expect(answers).toBeNull();
});
