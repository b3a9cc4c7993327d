/** A file that survives a kill at any moment: JSON lines, each on the disk before the next is begun. */
import { constants } from 'node:fs';
import { lstat, open, rm, type FileHandle } from 'node:fs/promises';
import { FastvError } from '../errors.js';
import { readText, streamRegular } from '../files/read.js';

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
 * @param onBefore takes the lines that were there, one by one; then `before` is empty
 * @throws FastvError `invalid-input` if a line in its midst is no JSON, `io` if another process has it open
 */
export async function openLines(path: string, onBefore?: (value: unknown) => void): Promise<LineFile> {
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
    const whole = there !== undefined ? await eachLine(path, onBefore ?? ((value) => before.push(value))) : 0;
    const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0; // Windows has none
    handle = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | noFollow);
    if (whole < (await handle.stat()).size) {
      await handle.truncate(whole);
      await handle.sync();
    }
    const file = handle;
    // one after the other: a write may take several turns
    let last: Promise<void> = Promise.resolve();
    return {
      before,
      append(records) {
        const write = async (): Promise<void> => {
          if (records.length === 0) return;
          await file.appendFile(records.map((r) => `${JSON.stringify(r)}\n`).join(''));
          await file.datasync();
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

/**
 * Reads a file of JSON lines, one line at a time: no string and no buffer holds more of it than a line. Empty lines are passed
 * over.
 * @param rest whether a last line without its end is read too
 * @throws FastvError `invalid-input` naming file and line
 */
export async function* jsonLines(path: string, { rest = true } = {}): AsyncGenerator<JsonLine> {
  let [line, to, empty] = [0, 0, 0];
  // of a line whose end has not come yet
  let parts: Buffer[] = [];
  let held = 0;
  const parsed = (): JsonLine | undefined => {
    const text = Buffer.concat(parts).toString('utf8');
    const from = to;
    to += held;
    line++;
    [parts, held] = [[], 0];
    empty = text.trim() === '' ? empty + 1 : 0;
    if (empty > EMPTY_LINES) throw lineError(`${empty} lines one after the other are empty`, path, line);
    return empty > 0 ? undefined : { value: parseLine(text, path, line), line, from, to };
  };
  for await (const chunk of streamRegular(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, end + 1));
      held += end - from + 1;
      from = end + 1;
      const one = parsed();
      if (one !== undefined) yield one;
    }
    parts.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held > LONGEST_LINE) throw lineError('a line has no end', path, line + 1);
  }
  const last = rest && held > 0 ? parsed() : undefined;
  if (last !== undefined) yield last;
}

/**
 * Reads the whole lines of a file of results; a last line without its end is not read.
 * @returns the bytes of the whole lines
 * @throws FastvError `invalid-input` naming file and line
 */
export async function eachLine(path: string, onValue: (value: unknown) => unknown): Promise<number> {
  let whole = 0;
  for await (const { value, to } of jsonLines(path, { rest: false })) {
    onValue(value);
    whole = to;
  }
  return whole;
}

function parseLine(line: string, path: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw lineError('a line is no JSON', path, number, error);
  }
}

function lineError(message: string, path: string, line: number, cause?: unknown): FastvError {
  return new FastvError('invalid-input', message, {
    where: `${path}, line ${line}`,
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
