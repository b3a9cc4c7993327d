// Files that are checked before they get their names: made in a folder beside the place where they belong.
import { mkdtempSync } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';
import { checkReplaceable, refused, writeError } from './atomic.js';
import { removeAtExit } from './leftovers.js';

/**
 * Lets `make` write files into a new folder beside `output`, and moves them beside `output` once it is through; the
 * file named like `output` goes last. If `make` throws, or the process exits, nothing is left.
 * @returns what `make` returns
 * @throws {FastvError} `io` if the disk refuses
 */
export async function staged<T>(output: string, make: (folder: string) => Promise<T>): Promise<T> {
  checkReplaceable(output);
  // at once: a signal in between would leave it
  const folder = refused(output, () => mkdtempSync(join(dirname(output), '.fastv-')));
  const forget = removeAtExit(folder);
  try {
    const result = await make(folder);
    await move(folder, output).catch((cause: unknown) => {
      throw writeError(output, cause);
    });
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
    forget();
  }
}

async function move(folder: string, output: string): Promise<void> {
  const last = basename(output);
  const names = (await readdir(folder)).filter((name) => name !== last);
  for (const name of [...names, last]) {
    const handle = await open(join(folder, name), 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(join(folder, name), join(dirname(output), name));
  }
}
