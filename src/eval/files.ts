/** A file that survives a kill at any moment: JSON lines, each on the disk before the next is begun. */
import { constants, readSync } from 'node:fs';
import { lstat, open, rm, type FileHandle } from 'node:fs/promises';
import { FastvError } from '../errors.js';
import { readText, streamRegular } from '../files/read.js';

/** A file of JSON lines that is only ever appended to. */
export interface LineFile {
  /** The lines that were there when it was opened. */
  readonly before: readonly unknown[];
  /**
   * Appends records and returns when they are on the disk.
   * @returns the byte at which each begins
   */
  append(records: readonly unknown[]): Promise<readonly number[]>;
  close(): Promise<void>;
}

/**
 * Opens a file of JSON lines for appending. A last line without its end, as a kill leaves it, is cut off.
 * Only one process may have it open.
 * @param onBefore takes the lines that were there, one by one; then `before` is empty
 * @param knownTo once nobody else can write, says how many bytes of the file hold lines that need not be read
 * @throws FastvError `invalid-input` if a line in its midst is no JSON, `io` if another process has it open
 */
export async function openLines(
  path: string,
  onBefore?: (line: JsonLine) => void,
  knownTo: () => Promise<number> = () => Promise.resolve(0),
): Promise<LineFile> {
  const unlock = await lock(`${path}.lock`);
  let handle: FileHandle | undefined;
  try {
    // what is there must be a file: a pipe would never answer, a device never end, a link lead out of the folder
    const there = await lstat(path).catch(() => undefined);
    if (there?.isSymbolicLink() === true) {
      throw new FastvError('invalid-input', 'results are no link to another place', {
        where: path,
        hint: 'give the folder that they lie in',
      });
    }
    const before: unknown[] = [];
    const take = onBefore ?? (({ value }: JsonLine) => void before.push(value));
    const whole = there !== undefined ? await eachLine(path, take, await knownTo()) : 0;
    const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0; // Windows has none
    handle = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | noFollow);
    if (whole < (await handle.stat()).size) {
      await handle.truncate(whole);
      await handle.sync();
    }
    const file = handle;
    // one after the other: a write may take several turns
    let last: Promise<unknown> = Promise.resolve();
    let size = whole;
    return {
      before,
      append(records) {
        const write = async (): Promise<readonly number[]> => {
          if (records.length === 0) return [];
          const lines = records.map((r) => `${JSON.stringify(r)}\n`);
          await file.appendFile(lines.join(''));
          await file.datasync();
          return lines.map((line) => {
            const from = size;
            size += Buffer.byteLength(line);
            return from;
          });
        };
        const written = last.then(write);
        last = written.catch(() => undefined);
        return written;
      },
      async close() {
        await last;
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

/** A file of numbers that can be made again from another. */
export interface RecordFile {
  /** @param at the byte at which they begin */
  write(words: Uint32Array, at: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file of numbers, little end first, for writing; what has its name and is no file is replaced.
 * @param size bytes of it that are kept
 */
export async function openRecords(path: string, size: number): Promise<RecordFile> {
  const there = await lstat(path).catch(() => undefined);
  if (there?.isFile() === false) await rm(path, { force: true });
  const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0;
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | noFollow);
  await handle.truncate(size);
  return {
    async write(words, at) {
      const bytes = Buffer.alloc(4 * words.length);
      words.forEach((word, i) => bytes.writeUInt32LE(word, 4 * i));
      await handle.write(bytes, 0, bytes.length, at);
    },
    close: () => handle.close(),
  };
}

/** Bytes of one line at most: a result is a few thousand. */
const LONGEST_LINE = 2 ** 23;
/** Lines without anything that may follow each other. */
const EMPTY_LINES = 1_000_000;
const NEWLINE = 0x0a;

/** A line of a file of JSON lines. */
export interface JsonLine {
  readonly value: unknown;
  /** Its number, from 1. */
  readonly line: number;
  /** Where it begins in the file, and where the next one does, in bytes. */
  readonly from: number;
  readonly to: number;
}

/** Makes lines of a file's parts as they come; no string and no buffer holds more of it than a line. */
class LineSplitter {
  readonly #path: string;
  readonly #isFromStart: boolean;
  #line = 0;
  #empty = 0;
  #to: number;
  /** Of a line whose end has not come yet. */
  #parts: Buffer[] = [];
  #held = 0;

  /** @param from the byte at which the first part begins */
  constructor(path: string, from: number) {
    this.#path = path;
    this.#to = from;
    this.#isFromStart = from === 0;
  }

  /** The lines that end in the next part. Empty lines are passed over. */
  *take(part: Buffer): Generator<JsonLine> {
    let from = 0;
    for (let end = part.indexOf(NEWLINE); end !== -1; end = part.indexOf(NEWLINE, from)) {
      const line = this.#ended(part.subarray(from, end + 1));
      from = end + 1;
      if (line !== undefined) yield line;
    }
    if (from === part.length) return;
    this.#parts.push(part.subarray(from));
    this.#held += part.length - from;
    if (this.#held > LONGEST_LINE)
      throw lineError('a line has no end', this.#where(this.#line + 1, this.#to));
  }

  /** A last line without its end. */
  *rest(): Generator<JsonLine> {
    const line = this.#held > 0 ? this.#ended(Buffer.alloc(0)) : undefined;
    if (line !== undefined) yield line;
  }

  #ended(end: Buffer): JsonLine | undefined {
    const text = (this.#held === 0 ? end : Buffer.concat([...this.#parts, end])).toString('utf8');
    const from = this.#to;
    const to = from + this.#held + end.length;
    this.#to = to;
    this.#line++;
    [this.#parts, this.#held] = [[], 0];
    this.#empty = text.trim() === '' ? this.#empty + 1 : 0;
    if (this.#empty > EMPTY_LINES)
      throw lineError(`${this.#empty} lines one after the other are empty`, this.#where(this.#line, from));
    if (this.#empty > 0) return undefined;
    return { value: parseLine(text, this.#where(this.#line, from)), line: this.#line, from, to };
  }

  #where(line: number, from: number): string {
    return `${this.#path}, ${this.#isFromStart ? `line ${line}` : `byte ${from}`}`;
  }
}

/**
 * Reads a file of JSON lines, one line at a time. Empty lines are passed over; a last line without its end is read too.
 * @throws FastvError `invalid-input` naming file and line
 */
export async function* jsonLines(path: string): AsyncGenerator<JsonLine> {
  const lines = new LineSplitter(path, 0);
  for await (const part of streamRegular(path) as AsyncIterable<Buffer>) yield* lines.take(part);
  yield* lines.rest();
}

/**
 * Reads the whole lines of a file of results; a last line without its end is not read.
 * @param from the byte at which to begin
 * @returns where the whole lines end
 * @throws FastvError `invalid-input` naming file and line
 */
export async function eachLine(path: string, onLine: (line: JsonLine) => unknown, from = 0): Promise<number> {
  const lines = new LineSplitter(path, from);
  let whole = from;
  // no promise a line: there may be millions
  for await (const part of streamRegular(path, { start: from }) as AsyncIterable<Buffer>)
    for (const line of lines.take(part)) {
      onLine(line);
      whole = line.to;
    }
  return whole;
}

/**
 * One line of an open file.
 * @param from the byte at which it begins
 * @throws FastvError `invalid-input` where none begins there that has an end
 */
export function lineAt(fd: number, from: number, path: string): Buffer {
  const parts: Buffer[] = [];
  for (let at = from, room = 2 ** 12; at - from <= LONGEST_LINE; room = 2 ** 16) {
    const part = Buffer.allocUnsafe(room);
    const read = readSync(fd, part, 0, room, at);
    const end = part.subarray(0, read).indexOf(NEWLINE);
    parts.push(part.subarray(0, end === -1 ? read : end + 1));
    if (end !== -1) return Buffer.concat(parts);
    if (read === 0) break;
    at += read;
  }
  throw lineError('a line has no end', `${path}, byte ${from}`);
}

function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw lineError('a line is no JSON', where, error);
  }
}

function lineError(message: string, where: string, cause?: unknown): FastvError {
  return new FastvError('invalid-input', message, {
    where,
    hint: 'the file was changed by something else: mend it, or begin with another --output',
    ...(cause === undefined ? {} : { cause }),
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
          hint: 'wait for it, stop it, or choose another --output',
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
