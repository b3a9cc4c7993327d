// Files that are checked before they get their names: made in a folder beside the place where they belong.
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Lets `make` write files into a new folder beside `output`, and moves them beside `output` once it is through; the
 * file named like `output` goes last. If `make` throws, nothing is left.
 * @returns what `make` returns
 */
export async function staged<T>(output: string, make: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(dirname(output), `.${basename(output)}-`));
  try {
    const result = await make(folder);
    const last = basename(output);
    const names = (await readdir(folder)).filter((name) => name !== last);
    for (const name of [...names, last]) await rename(join(folder, name), join(dirname(output), name));
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
