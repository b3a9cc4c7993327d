// Anything that was thrown, as an error that a user can read.
import { CommanderError } from 'commander';
import { FastvError } from '../errors.js';

/** The error to report. What cannot be explained is thrown again. */
export function failureOf(error: unknown): FastvError {
  if (error instanceof FastvError) return error;
  if (error instanceof CommanderError) return usageError(error);
  const system = fileSystemError(error);
  if (system !== undefined) return system;
  throw error;
}

/** What commander refuses: `error: unknown option '--rato'`, with a suggestion on a line of its own. */
function usageError({ message }: CommanderError): FastvError {
  const [what = '', ...more] = message.replace(/^error: /u, '').split('\n');
  return new FastvError('invalid-option', what, { hint: [...more, 'add --help for the options'].join(' ') });
}

/** A full disk, a missing file or a forbidden folder is the user's to mend: no stack trace. */
function fileSystemError(error: unknown): FastvError | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined;
  const path = 'path' in error && typeof error.path === 'string' ? { where: error.path } : {};
  return new FastvError('io', error.message, { ...path, cause: error });
}
