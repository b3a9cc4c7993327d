/** The one boundary around a sample: what goes wrong with it ends the run, or is counted and passed over. */
import { FastvError } from '../errors.js';
import type { Task } from './tasks/task.js';

/** A sample that could not be used. */
export interface Skipped {
  readonly task: string;
  readonly where: string;
  readonly message: string;
}

/** So many samples one after the other that cannot be used are no accident, and may have no end. */
const MOST_IN_A_ROW = 1000;
/** Kept for the summary; all are counted. */
const SHOWN = 20;

export class Skips {
  readonly #skip: boolean;
  readonly #first: Skipped[] = [];
  #count = 0;
  #inARow = 0;

  /** @param onError what a sample that cannot be used does to the run */
  constructor(onError: 'stop' | 'skip') {
    this.#skip = onError === 'skip';
  }

  get summary(): { readonly count: number; readonly first: readonly Skipped[] } {
    return { count: this.#count, first: this.#first };
  }

  /**
   * Passes a sample over.
   * @param where file and row, for an error that does not say it
   * @throws the error where the run is to stop at it; {@link FastvError} `invalid-input` where no end is in sight
   */
  take(task: Task, error: unknown, where = ''): void {
    if (!this.#skip) throw located(error, where);
    const { message } = error instanceof Error ? error : new Error(String(error));
    const place = error instanceof FastvError ? (error.where ?? where) : where;
    if (this.#first.length < SHOWN) this.#first.push({ task: task.name, where: place, message });
    this.#count++;
    if (++this.#inARow < MOST_IN_A_ROW) return;
    throw new FastvError('invalid-input', `${MOST_IN_A_ROW} samples one after the other cannot be used`, {
      where: place,
      hint: `the last one: ${message}`,
      cause: error,
    });
  }

  /** A sample was used. */
  used(): void {
    this.#inARow = 0;
  }
}

/** An error of the user's data says which row it was; others are left as they are. */
function located(error: unknown, where: string): unknown {
  if (!(error instanceof FastvError) || error.where !== undefined || where === '') return error;
  const { code, message, hint } = error;
  return new FastvError(code, message, { where, ...(hint === undefined ? {} : { hint }), cause: error });
}
