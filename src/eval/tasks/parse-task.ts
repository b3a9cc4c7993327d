/** A user's own task, read from JSON and checked against its schema: the same form as the built-in ones (`task.ts`). */
import type { core } from 'zod';
import { FastvError } from '../../errors.js';
import type { Metric } from '../metrics/metric.js';
import type { Task } from './task.js';
import { taskSchema } from './task-schema.js';

/**
 * A task from the text of a JSON file.
 * @param file its name, for messages
 * @param metrics of the user's own, which a task may name (`--metric-module`)
 * @throws FastvError `invalid-option` naming file and field
 */
export function parseTask(text: string, file: string, metrics: readonly Metric[] = []): Task {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FastvError('invalid-option', `the task is no JSON: ${String(error)}`, {
      where: file,
      cause: error,
    });
  }
  const own = metrics.find(({ name }) => name === metricOf(value));
  // the schema knows the built-in names only
  const given = own === undefined ? value : { ...(value as Record<string, unknown>), metric: 'exact-match' };
  const { data, error } = taskSchema.safeParse(given);
  if (error !== undefined) throw issueError(error.issues, file);
  const { about = data.name, source = file, ...task } = data;
  delete task.$schema;
  return { ...task, about, source, ...(own === undefined ? {} : { metric: own }) };
}

function metricOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'metric' in value ? value.metric : undefined;
}

/** The first thing that is wrong, as an error that names the field. */
function issueError(issues: readonly core.$ZodIssue[], file: string): FastvError {
  const [path, message] = placed(issues, []);
  const where = path.length === 0 ? file : `${file}, ${path.map(String).join('.')}`;
  return new FastvError('invalid-option', message, { where, hint: 'docs/task.schema.json has every field' });
}

function placed(
  [issue]: readonly core.$ZodIssue[],
  above: readonly PropertyKey[],
): readonly [readonly PropertyKey[], string] {
  if (issue === undefined) return [above, 'this is no task'];
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return [path, `there is no field ${JSON.stringify((issue.keys[0] ?? '').slice(0, 60))}`];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [path, issue.message];
  // of several forms that of which least is wrong was meant, and none of another type
  const wrong = (one: readonly core.$ZodIssue[]): number =>
    one.length + (one[0]?.path.length === 0 ? 100 : 0);
  const meant = issue.errors.reduce((best, one) => (wrong(one) < wrong(best) ? one : best));
  return placed(meant, path);
}
