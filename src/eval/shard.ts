/**
 * A part of a run, for machines that know nothing of each other: Kubernetes' indexed jobs, SLURM's arrays. The samples are
 * dealt out window by window (what one batch is chosen from), so each part asks in the batches that one machine would.
 */
import { FastvError } from '../errors.js';

/** Part `index`, from 0, of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** @throws {FastvError} `invalid-option` for a part that is none */
export function checkShard({ index, count }: Shard): void {
  if (Number.isInteger(count) && count >= 1 && Number.isInteger(index) && index >= 0 && index < count) return;
  throw new FastvError('invalid-option', `there is no part ${index} of ${count}`, {
    where: '--shard',
    hint: 'parts are counted from 0: --shard 0/4 … --shard 3/4',
  });
}

/** Whether a window, counted from 0 in its task, belongs to a part. */
export function isOfShard({ index, count }: Shard, window: number): boolean {
  return Math.floor(window) % count === index;
}
