// A folder that appears whole or not at all. It is filled under a hidden name beside its place, which a run that was
// killed leaves behind and the next one removes, and gets its name at the end.
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { writeError } from '../files/atomic.js';
import { fileCode } from '../files/file-error.js';
import { removeAtExit } from '../files/leftovers.js';
import { makeFolder } from '../files/make-folder.js';

/** Who fills the folder, so that two do not at once. */
const OWNER = '.owner';

/**
 * Lets `fill` write into a new folder, which becomes `output`.
 * @throws {FastvError} `invalid-option` if `output` is there and not empty, or is being filled by another process; `io`
 */
export async function stagedFolder<T>(output: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const target = resolve(output);
  await refuseFull(target);
  await makeFolder(dirname(target));
  const folder = join(dirname(target), `.${basename(target)}.fastv-build`);
  await claim(folder, target);
  const forget = removeAtExit(folder);
  try {
    const result = await fill(folder);
    await rm(join(folder, OWNER));
    syncAll(folder);
    await rmdir(target).catch(() => undefined); // empty, or absent
    await rename(folder, target);
    return result;
  } catch (cause) {
    throw cause instanceof FastvError || fileCode(cause) === undefined ? cause : writeError(target, cause);
  } finally {
    await rm(folder, { recursive: true, force: true });
    forget();
  }
}

async function refuseFull(target: string): Promise<void> {
  const names = await readdir(target).catch((cause: unknown) => {
    if (fileCode(cause) === 'ENOENT') return [];
    throw writeError(target, cause);
  });
  if (names.length === 0) return;
  throw new FastvError('invalid-option', 'the folder exists and is not empty', {
    where: target,
    hint: 'Choose another name for -o, or remove it.',
  });
}

async function claim(folder: string, target: string): Promise<void> {
  try {
    const owner = Number(readFileSync(join(folder, OWNER), 'utf8'));
    if (isRunning(owner)) {
      throw new FastvError('invalid-option', `process ${owner} is building into this folder`, {
        where: target,
        hint: `Wait for it; if there is none, remove ${folder}.`,
      });
    }
  } catch (cause) {
    if (cause instanceof FastvError) throw cause; // else there is no owner
  }
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await writeFile(join(folder, OWNER), String(process.pid), { flag: 'wx' });
  } catch (cause) {
    throw writeError(folder, cause);
  }
}

function isRunning(process_: number): boolean {
  if (!Number.isSafeInteger(process_) || process_ <= 0) return false;
  try {
    process.kill(process_, 0);
    return true;
  } catch (cause) {
    return fileCode(cause) === 'EPERM';
  }
}

/** Puts the files on the disk, where the system can. */
function syncAll(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = openSync(join(entry.parentPath, entry.name), 'r+');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
