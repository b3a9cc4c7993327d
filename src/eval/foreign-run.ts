// A run folder may be somebody else's, or of another version: what is in it is read as what it should be, and where it is
// not, that is said of the folder.
import { FastvError } from '../errors.js';

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
