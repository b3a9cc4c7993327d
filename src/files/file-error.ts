// What the file system refused, in words: each of its codes says what was wrong and what to do.
import { FastvError, type FastvErrorCode } from '../errors.js';

/** What was tried with the file. */
export type FileAction = 'read' | 'written' | 'made' | 'removed';

/** What a code of the file system means, and what a user can do about it. */
const MEANINGS: ReadonlyMap<string, readonly [reason: string, hint: string]> = new Map([
  ['ENOENT', ['there is no such file or folder', 'Check the name.']],
  ['ENOSPC', ['the disk is full', 'Free some space, or choose another place.']],
  ['EDQUOT', ['the quota of this disk is used up', 'Free some space, or choose another place.']],
  ['EFBIG', ['the disk takes no file this large', 'Choose another place.']],
  ['EACCES', ['permission denied', 'Check the permissions of the file and of its folder.']],
  ['EPERM', ['operation not permitted', 'Check the permissions of the file and of its folder.']],
  ['EROFS', ['the file system is read-only', 'Choose another place.']],
  ['EISDIR', ['this is a folder', 'Give the name of a file.']],
  ['ENOTDIR', ['a part of this path is a file, not a folder', 'Choose another place.']],
  ['EEXIST', ['something of this name exists already', 'Choose another name.']],
  ['ENOTEMPTY', ['a folder of this name is not empty', 'Choose another name.']],
  ['ENAMETOOLONG', ['the name is too long', 'Choose a shorter name.']],
  ['ELOOP', ['its links lead in a circle', 'Choose another place.']],
  ['EMFILE', ['too many files are open', 'Raise the limit of open files (ulimit -n).']],
  ['ENXIO', ['nothing is at the other end of this pipe or device', 'Give the name of a file.']],
]);

/** The file system's code of an error, e.g. `ENOENT`; undefined for errors of other kinds. */
export function fileCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * A typed error in place of the file system's.
 * @param cause what was thrown; a {@link FastvError} is returned as it is
 */
export function fileError(
  action: FileAction,
  path: string,
  cause: unknown,
  code: FastvErrorCode = 'io',
): FastvError {
  if (cause instanceof FastvError) return cause;
  const errno = fileCode(cause);
  const known = MEANINGS.get(errno ?? '');
  const [reason, hint] = known ?? [
    (cause instanceof Error ? cause.message : String(cause)).split(',')[0] ?? '',
  ];
  const named = known === undefined || errno === undefined ? reason : `${reason} (${errno})`;
  const details = { where: path, cause, ...(hint === undefined ? {} : { hint }) };
  return new FastvError(code, `cannot be ${action}: ${named}`, details);
}
