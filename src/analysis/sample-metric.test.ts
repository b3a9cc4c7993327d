import { expect, it } from 'vitest';
import type { Task } from '../eval/tasks/task.js';
import { meanMetric, sampleMetric } from './sample-metric.js';

const TASKS = [
  { name: 'a', metric: 'exact-match' },
  { name: 'b', metric: 'exact-match' },
  { name: 'c', metric: 'pope' },
] as unknown as Task[];

it('names what a sample is scored by', () => {
  expect(['a', 'c', 'absent'].map((name) => sampleMetric(TASKS, name))).toEqual([
    ...['exact match', 'accuracy', undefined],
  ]);
});

it('names means over tasks', () => {
  expect(meanMetric(TASKS, ['a'])).toBe('exact match');
  expect(meanMetric(TASKS, ['a', 'b'])).toBe('exact match, mean of 2 tasks');
  expect(meanMetric(TASKS, ['a', 'c'])).toBe('score (accuracy, exact match), mean of 2 tasks');
  expect(meanMetric(TASKS, [])).toBe('score');
});
