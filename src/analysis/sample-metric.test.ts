import { expect, it } from 'vitest';
import type { Task } from '../eval/tasks/task.js';
import { meanMetric, sampleMetric } from './sample-metric.js';

const TASKS = [
  { name: 'a', metric: 'exact-match' },
  { name: 'b', metric: 'exact-match' },
  { name: 'c', metric: 'pope' },
  { name: 'd', metric: 'vqa' },
] as unknown as Task[];

it('names what a task is scored by', () => {
  expect(['a', 'c', 'absent'].map((name) => sampleMetric(TASKS, name))).toEqual([
    ...['accuracy', 'F1', undefined],
  ]);
});

it('names means over tasks', () => {
  expect(meanMetric(TASKS, ['a'])).toBe('accuracy');
  expect(meanMetric(TASKS, ['a', 'b'])).toBe('accuracy, mean of 2 tasks');
  expect(meanMetric(TASKS, ['a', 'c'])).toBe('score (F1, accuracy), mean of 2 tasks');
  expect(meanMetric(TASKS, [])).toBe('score');
});
