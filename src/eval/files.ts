/** A file that survives a kill at any moment: JSON lines, each on the disk before the next is begun. */
import { existsSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { FastvError } from '../errors.js';
import { readRegular, readText } from '../files/read.js';

/** What one string can hold. */
const MAX_BYTES = 2 ** 29 - 32;

/** A file of JSON lines that is only ever appended to. */
export interface LineFile {
  /** The lines that were there when it was opened. */
  readonly before: readonly unknown[];
  /** Appends records and returns when they are on the disk. */
  append(records: readonly unknown[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file of JSON lines for appending. A last line without its end, as a kill leaves it, is cut off.
 * Only one process may have it open.
 * @throws FastvError `invalid-input` if a line in its midst is no JSON, `io` if another process has it open
 */
export async function openLines(path: string): Promise<LineFile> {
  const unlock = await lock(`${path}.lock`);
  let handle: FileHandle | undefined;
  try {
    // what is there must be a file: a pipe would never answer, a device never end
    const bytes = existsSync(path) ? await readRegular(path, MAX_BYTES) : new Uint8Array();
    handle = await open(path, 'a+');
    const whole = bytes.lastIndexOf(0x0a) + 1;
    if (whole < bytes.length) {
      await handle.truncate(whole);
      await handle.sync();
    }
    const file = handle;
    return {
      before: parseLines(new TextDecoder().decode(bytes.subarray(0, whole)), path),
      async append(records) {
        if (records.length === 0) return;
        await file.appendFile(records.map((r) => `${JSON.stringify(r)}\n`).join(''));
        await file.datasync();
      },
      async close() {
        await file.close();
        await unlock();
      },
    };
  } catch (error) {
    await handle?.close();
    await unlock();
    throw error;
  }
}

/** The values of a text of JSON lines. @throws FastvError `invalid-input` naming file and line */
export function parseLines(text: string, path: string): unknown[] {
  return text.split('\n').flatMap((line, i): unknown[] => {
    if (line === '') return [];
    try {
      return [JSON.parse(line)];
    } catch (error) {
      throw new FastvError('invalid-input', 'a line is no JSON', {
        where: `${path}, line ${i + 1}`,
        hint: 'the file was changed by something else: mend it, or begin with another --out',
        cause: error,
      });
    }
  });
}

/** Takes a lock file; one that a dead process left behind is taken over. */
async function lock(path: string): Promise<() => Promise<void>> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(path, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      const owner = Number(await readText(path, 64).catch(() => ''));
      if (Number.isInteger(owner) && owner > 0 && owner !== process.pid && isAlive(owner)) {
        throw new FastvError('io', `process ${owner} is writing these results`, {
          where: path,
          hint: 'wait for it, stop it, or choose another --out',
        });
      }
      if (owner === process.pid)
        throw new FastvError('io', 'these results are already open', { where: path });
      await rm(path, { force: true });
    }
  }
  throw new FastvError('io', 'the lock could not be taken', { where: path });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
