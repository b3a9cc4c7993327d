// The one way a file from outside is opened. A name proves nothing: behind it may be a pipe that never answers, a device
// without an end, a file that grows, or a link to something that was not meant. What is opened here is a regular file, by
// its own word (`fstat`), inside the folders that the caller names, and no more of it is read than was agreed.
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  read,
  readSync,
  realpathSync,
  statSync,
  type Stats,
} from 'node:fs';
import { sep } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { FastvError, type FastvErrorCode } from '../errors.js';
import { fileError } from './file-error.js';

/** What may be opened. */
export interface OpenOptions {
  /** Folders, as real paths: the file's real path must lie in one of them. Default: anywhere. */
  readonly roots?: readonly string[];
  /** Whether the last part of the path may be a link; default true. */
  readonly followLink?: boolean;
  /** The code of the error where the file is absent, no file, or outside; default `io`. */
  readonly code?: FastvErrorCode;
}

/** A regular file that is open for reading; whoever opened it closes it. */
export interface RegularFile {
  readonly fd: number;
  /** Its size in bytes when it was opened. */
  readonly size: number;
  /** Where it lies, all links followed. */
  readonly realPath: string;
  readonly stats: Stats;
}

/**
 * Opens a regular file, without waiting for anybody at the other end of a pipe.
 * @throws {FastvError} `io`, or the given code, if it cannot be opened, is no regular file, or lies outside `roots`
 */
export function openRegular(path: string, options: OpenOptions = {}): RegularFile {
  const { roots, followLink = true, code = 'io' } = options;
  let fd: number | undefined;
  try {
    // a device may do something when it is opened, so it is looked at first
    refuseOthers(path, statSync(path), code);
    // on systems that lack a flag it is undefined
    const noFollow = followLink ? 0 : (constants.O_NOFOLLOW as number | undefined);
    const noWait = constants.O_NONBLOCK as number | undefined;
    fd = openSync(path, constants.O_RDONLY | (noFollow ?? 0) | (noWait ?? 0));
    const stats = fstatSync(fd);
    refuseOthers(path, stats, code);
    const realPath = realpathSync(path);
    if (roots !== undefined) refuseOutside(path, realPath, stats, roots, code);
    return { fd, size: stats.size, realPath, stats };
  } catch (cause) {
    if (fd !== undefined) closeSync(fd);
    throw fileError('read', path, cause, code);
  }
}

/** What may be read. */
export interface ReadOptions extends OpenOptions {
  /** The error of a file with more bytes than may be read. */
  readonly tooLarge?: (size: number) => FastvError;
}

/**
 * Reads a regular file whole.
 * @param most the bytes that it may have
 * @throws {FastvError} as {@link openRegular} does, and if it has more
 */
export async function readRegular(
  path: string,
  most: number,
  options: ReadOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const file = openRegular(path, options);
  try {
    const room = new Room(path, file.size, most, options);
    for (;;) {
      const { bytesRead } = await readAsync(file.fd, room.bytes, room.length, room.left, null);
      if (bytesRead === 0) return room.taken();
      room.take(bytesRead);
    }
  } catch (cause) {
    throw fileError('read', path, cause);
  } finally {
    closeSync(file.fd);
  }
}

/** The same for code that is not asynchronous. */
export function readRegularSync(
  path: string,
  most: number,
  options: ReadOptions = {},
): Uint8Array<ArrayBuffer> {
  const file = openRegular(path, options);
  try {
    const room = new Room(path, file.size, most, options);
    for (;;) {
      const bytesRead = readSync(file.fd, room.bytes, room.length, room.left, null);
      if (bytesRead === 0) return room.taken();
      room.take(bytesRead);
    }
  } catch (cause) {
    throw fileError('read', path, cause);
  } finally {
    closeSync(file.fd);
  }
}

/** The text of a regular file. @throws {FastvError} as {@link readRegular} does */
export async function readText(path: string, most: number, options: OpenOptions = {}): Promise<string> {
  return new TextDecoder().decode(await readRegular(path, most, options));
}

/**
 * A regular file's bytes in order.
 * @param options and `start`, the first byte that is read; default 0
 * @throws {FastvError} as {@link openRegular} does
 */
export function streamRegular(
  path: string,
  options: OpenOptions & { readonly start?: number } = {},
): Readable {
  const { fd } = openRegular(path, options);
  return createReadStream(path, { fd, start: options.start ?? 0, highWaterMark: 1 << 20 });
}

/** Whether a real path lies in a folder, which is one too. */
export function liesIn(realPath: string, folder: string): boolean {
  return realPath.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

const readAsync = promisify(read);

/** The most that one call of the system reads. */
const PORTION = 2 ** 30;

/** Room for a file's bytes: its size and one more, so that its end is seen, and more for what grows or hides its size. */
class Room {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #most: number;
  readonly #tooLarge: (size: number) => FastvError;

  constructor(path: string, size: number, most: number, { code = 'io', tooLarge }: ReadOptions) {
    this.#most = most;
    this.#tooLarge =
      tooLarge ??
      ((actual) =>
        new FastvError(code, `the file has ${actual} bytes or more; at most ${most} are read`, {
          where: path,
        }));
    if (size > most) throw this.#tooLarge(size);
    this.bytes = new Uint8Array(size + 1);
  }

  get left(): number {
    return Math.min(PORTION, this.bytes.length - this.length);
  }

  take(count: number): void {
    this.length += count;
    if (this.length > this.#most) throw this.#tooLarge(this.length);
    if (this.length < this.bytes.length) return;
    const larger = new Uint8Array(Math.min(this.#most + 1, Math.max(2 * this.length, 4096)));
    larger.set(this.bytes);
    this.bytes = larger;
  }

  taken(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}

function refuseOthers(path: string, stats: Stats, code: FastvErrorCode): void {
  if (stats.isFile()) return;
  const what = stats.isDirectory() ? 'a folder' : 'a pipe, a socket or a device';
  throw new FastvError(code, `${path} is no file but ${what}`, {
    where: path,
    hint: 'Give the name of a file.',
  });
}

function refuseOutside(
  path: string,
  realPath: string,
  opened: Stats,
  roots: readonly string[],
  code: FastvErrorCode,
): void {
  const { dev, ino } = statSync(realPath);
  // the file that was opened is the one that was looked at, whoever changed a link in between
  const same = dev === opened.dev && ino === opened.ino;
  if (same && roots.some((root) => liesIn(realPath, root))) return;
  throw new FastvError(code, `${path} is a link that leads outside`, {
    where: path,
    hint: 'Links may lead only to files in the same folder, or to the blobs of a cache of the hub.',
  });
}
