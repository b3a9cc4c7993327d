/**
 * No number leaves a table silently: a task without a single scored sample is an error, whatever else the run has found. What it
 * has found is written before.
 */
import { FastvError } from '../errors.js';
import type { Summary } from './summary.js';

/** Cells that are named; all are counted. */
const NAMED = 5;

/**
 * Checks a run that is through. A part of one may have none of a small task's samples.
 * @throws FastvError `invalid-input` naming the tasks and conditions without a result
 */
export function refuseEmptyCells({ cells, complete, options, skipped, notes }: Summary): void {
  const empty = cells.filter(({ samples }) => samples === 0);
  const [first] = empty;
  if (first === undefined || !complete || 'shard' in options) return;
  const named = empty.slice(0, NAMED).map(({ task, condition }) => `${task} under ${condition}`);
  const more = empty.length > NAMED ? `, and ${empty.length - NAMED} more` : '';
  const why = [
    ...(skipped.count === 0
      ? []
      : [`${skipped.count} samples were skipped, the first: ${skipped.first[0]?.message ?? ''}`]),
    ...notes.filter((note) => note.startsWith(`${first.task}:`)),
  ];
  throw new FastvError('invalid-input', 'a task has no result that can be scored', {
    where: named.join(', ') + more,
    hint: why[0] ?? 'look into its dataset; all other results are kept and in summary.json',
  });
}
