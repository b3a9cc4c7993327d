// A run folder may be somebody else's, or of another version: what is in it is read as what it should be, and where it is
// not, that is said of the folder.
import { FastvError } from '../errors.js';
import type { Result } from './result.js';
import { SharedTexts } from './shared-texts.js';

/**
 * Reads runs.
 * @throws {FastvError} `invalid-input` where what they hold has not the form of a run
 */
export async function readingRuns<T>(folders: readonly string[], read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof TypeError || cause instanceof RangeError)) throw cause;
    throw new FastvError('invalid-input', `this is no run of fastv: ${cause.message.slice(0, 200)}`, {
      where: folders.join(', '),
      hint: 'Give the --output folder of fastv eval or fastv sweep.',
      cause,
    });
  }
}

/** The results in a file of them, by their keys; what is no result is left out. */
export class ResultsByKey {
  readonly #byKey = new Map<string, Result>();
  readonly #texts = new SharedTexts();

  /** Takes a line of the file. A later result of a key counts. */
  take(value: unknown): void {
    if (typeof value !== 'object' || value === null || !('key' in value) || typeof value.key !== 'string')
      return;
    this.#byKey.set(value.key, this.shared(value as Result));
  }

  get(key: string): Result | undefined {
    return this.#byKey.get(key);
  }

  values(): IterableIterator<Result> {
    return this.#byKey.values();
  }

  /** A result that shares its texts with these. */
  shared(result: Result): Result {
    return this.#texts.share(result);
  }
}
