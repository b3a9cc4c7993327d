// The one way a file appears: written under a random name beside its place, put on the disk, then given its name. A full
// disk, a failure or Ctrl-C leaves the old file or the new one, never half of one, and nothing besides.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FastvError } from '../errors.js';
import { fileError } from './file-error.js';
import { removeAtExit } from './leftovers.js';

/** What a file is to hold: all of it, or its parts in order. */
export type Content =
  string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** How a file is written. */
export interface WriteOptions {
  /** Gives the file up; nothing of it stays. */
  readonly signal?: AbortSignal;
  /** The new file's permissions; default: those of the file that it replaces, else what the system gives. */
  readonly mode?: number;
  /**
   * For a name that this program gives and nobody typed: what has it is replaced, also a pipe, which somebody else may have
   * put there, and where writing would wait for a reader for ever.
   */
  readonly own?: boolean;
}

/**
 * Writes a file whole or not at all. A link of that name is replaced, what it leads to stays as it is. What is there and
 * is no file (a pipe, a device) is written to, not replaced, unless the name is the program's own.
 * @throws {FastvError} `io` with the path, what was wrong and what to do; the signal's own reason if it was aborted
 */
export async function writeAtomically(
  path: string,
  content: Content,
  options: WriteOptions = {},
): Promise<void> {
  const { signal, own = false } = options;
  signal?.throwIfAborted();
  try {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory() === true) throw isFolder(path);
    if (own || there === undefined || there.isFile()) {
      if (!own) checkReplaceable(path);
      await replace(path, content, there, options);
    } else await pour(await open(path, 'w'), content, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    throw writeError(path, cause);
  }
}

/** A file that is written piece by piece and has no name yet. */
export interface PendingFile {
  /** Where its bytes are until it is kept. */
  readonly temporary: string;
  /** Bytes written so far. */
  readonly size: number;
  /** Appends. @throws {FastvError} `io` */
  write(bytes: Uint8Array): void;
  /** Gives it its name; what had that name before is gone. @throws {FastvError} `io` */
  keep(): void;
  /** Removes it. After {@link keep} it does nothing. */
  discard(): void;
}

/**
 * The same for code that is not asynchronous: {@link PendingFile.keep} at the end, {@link PendingFile.discard} in
 * `finally`.
 * @throws {FastvError} `io`
 */
export function pendingFile(path: string): PendingFile {
  const temporary = temporaryBeside(path);
  let file: number | undefined = refused(path, () => {
    checkReplaceable(path);
    return openSync(temporary, 'wx');
  });
  const forget = removeAtExit(temporary);
  let size = 0;
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  return {
    temporary,
    get size() {
      return size;
    },
    write(bytes) {
      refused(path, () => {
        for (let done = 0; done < bytes.length;) done += writeSync(file ?? -1, bytes, done);
      });
      size += bytes.length;
    },
    keep() {
      refused(path, () => {
        fsyncSync(file ?? -1);
        close();
        renameSync(temporary, path);
      });
      forget();
    },
    discard() {
      close();
      rmSync(temporary, { force: true });
      forget();
    },
  };
}

/**
 * Checks that a file may take the place of what is there: whoever may write in /dev would else replace a device, or
 * `/dev/stdout`, for every program of the machine.
 * @throws {FastvError} `io` for a folder, a device, a pipe, or a link to an open stream
 */
export function checkReplaceable(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) throw isFolder(path);
  if (there?.isFile() !== false && !linkOf(path).startsWith('/proc/')) return;
  throw new FastvError('io', 'cannot be written: this is no file but a stream or a device', {
    where: path,
    hint: 'Give the name of a file.',
  });
}

/** Where a link leads; empty for what is none. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** A name beside a file's that nobody can guess, and that is no longer than the file system allows. */
function temporaryBeside(path: string): string {
  return join(dirname(path), `.fastv-${randomBytes(12).toString('hex')}.tmp`);
}

/** What could not be written. @param cause a {@link FastvError} is returned as it is */
export function writeError(path: string, cause: unknown): FastvError {
  return fileError('written', path, cause);
}

async function replace(
  path: string,
  content: Content,
  there: Stats | undefined,
  { signal, mode }: WriteOptions,
): Promise<void> {
  const temporary = temporaryBeside(path);
  // before it is there: a signal may end the process as soon as it is
  const forget = removeAtExit(temporary);
  // with 'x' a link that is planted under this name is not followed
  const handle = await open(temporary, 'wx', mode).catch((cause: unknown) => {
    forget();
    throw cause;
  });
  try {
    const kept = mode ?? (there?.isFile() === true ? there.mode & 0o777 : undefined);
    if (kept !== undefined) await handle.chmod(kept);
    await pour(handle, content, signal, true);
    await rename(temporary, path);
  } catch (error) {
    await handle.close().catch(() => undefined); // closed already where pour came to its end
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    forget();
  }
  await syncFolder(dirname(path));
}

/** Writes all of the content into an open file and closes it. */
async function pour(
  handle: FileHandle,
  content: Content,
  signal: AbortSignal | undefined,
  sync = false,
): Promise<void> {
  try {
    const parts = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
    for await (const part of parts) {
      signal?.throwIfAborted();
      await handle.writeFile(part);
    }
    signal?.throwIfAborted();
    if (sync) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts the new name on the disk, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows and some network file systems have no such thing; the file itself is on the disk
  }
}

/** Calls what writes to a path. @throws {FastvError} `io` where that is refused */
export function refused<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw writeError(path, cause);
  }
}

/** A rename onto a folder would fail only at the end, after all the work. */
function isFolder(path: string): FastvError {
  return new FastvError('io', 'cannot be written: this is a folder', {
    where: path,
    hint: 'Give the name of a file.',
  });
}
