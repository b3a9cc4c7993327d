/** What the points of a sweep are scores of: each task's own metric. */
import { findMetric } from '../eval/metrics/index.js';
import type { Task } from '../eval/tasks/task.js';

/** The metric of a task, as tables call it; undefined for a task that is not in the list. */
export function sampleMetric(tasks: readonly Task[], name: string): string | undefined {
  const metric = tasks.find((task) => task.name === name)?.metric;
  return metric === undefined ? undefined : findMetric(metric).label;
}

/** The name of a mean over tasks. @param names the tasks that are in it */
export function meanMetric(tasks: readonly Task[], names: readonly string[]): string {
  const metrics = [...new Set(names.map((name) => sampleMetric(tasks, name) ?? 'score'))].sort();
  const [first = 'score', ...others] = metrics;
  const metric = others.length === 0 ? first : `score (${metrics.join(', ')})`;
  return names.length > 1 ? `${metric}, mean of ${names.length} tasks` : metric;
}
