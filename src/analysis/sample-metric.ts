/** What the score of one sample is, which points are means of: not always what its task is known by. */
import type { Task } from '../eval/tasks/task.js';

const NAMES: Readonly<Record<string, string>> = {
  'exact-match': 'exact match',
  anls: 'ANLS',
  vqa: 'VQA accuracy',
  'vqa-always': 'VQA accuracy',
  // F1 and MME's points are of many samples; a sample of theirs is right or wrong
  pope: 'accuracy',
  mme: 'accuracy',
  'multiple-choice': 'accuracy',
};

/** The metric of a task's samples; undefined for a task that is not in the list. */
export function sampleMetric(tasks: readonly Task[], name: string): string | undefined {
  const metric = tasks.find((task) => task.name === name)?.metric;
  return metric === undefined ? undefined : (NAMES[metric] ?? metric);
}

/** The name of a mean over tasks. @param names the tasks that are in it */
export function meanMetric(tasks: readonly Task[], names: readonly string[]): string {
  const metrics = [...new Set(names.map((name) => sampleMetric(tasks, name) ?? 'score'))].sort();
  const [first = 'score', ...others] = metrics;
  const metric = others.length === 0 ? first : `score (${metrics.join(', ')})`;
  return names.length > 1 ? `${metric}, mean of ${names.length} tasks` : metric;
}
