// Folders, with those above them. Node's own `mkdir(…, { recursive: true })` never returns where the file system answers
// "no such file" for a folder that is there, as /proc does.
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { fileCode, fileError } from './file-error.js';

/**
 * Makes a folder and those above it that are not there.
 * @returns those that were made, the outermost first; none of them stays if it throws
 * @throws {FastvError} `io` naming the folder that cannot be made
 */
export async function makeFolder(path: string, options: { readonly mode?: number } = {}): Promise<string[]> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await isFolder(folder)); folder = dirname(folder))
    missing.unshift(folder);
  const made: string[] = [];
  for (const folder of missing) {
    try {
      await mkdir(folder, options);
      made.push(folder);
    } catch (cause) {
      // somebody else may have made it meanwhile
      if (fileCode(cause) === 'EEXIST' && (await isFolder(folder))) continue;
      for (const done of made.reverse()) await rmdir(done).catch(() => undefined);
      throw fileError('made', folder, cause);
    }
  }
  return made;
}

/** @throws {FastvError} `io` where something that is no folder stands in the way, or nothing can be known */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (cause) {
    if (fileCode(cause) === 'ENOENT' && dirname(path) !== path) return false;
    throw fileError('made', path, cause);
  }
  throw new FastvError('io', 'cannot be made: a file of this name exists already', {
    where: path,
    hint: 'Give the name of a folder.',
  });
}
