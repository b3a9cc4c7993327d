/**
 * A run's results on the disk: `results.jsonl`, which is only ever appended to, and beside it `results.index`, from which a run that
 * goes on knows in seconds what it has, however much that is. The log is the truth. The index is 24 bytes a result (its key, and
 * where it begins), is written behind the log, and is checked when it is opened: what it does not know is read from the log, and
 * where it does not fit, it is made anew.
 */
import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { FastvError } from '../../errors.js';
import { openRegular } from '../../files/read.js';
import { eachLine, lineAt, openLines, openRecords, type LineFile, type RecordFile } from '../files.js';
import type { Result } from '../result.js';
import { Column, Slots } from './columns.js';
import { ResultTable } from './table.js';

/** Words of a record: four of the key, two of the byte at which the result begins. The first record says what the index is of. */
const WORDS = 6;
const BYTES = 4 * WORDS;
const MAGIC = [0x66_61_73_74, 0x76_69_78_01] as const;
/** Records that are read at once, and after which they are written. */
const PORTION = 2 ** 14;
/** Records that are looked up in the log when an index is opened, the last among them. */
const LOOKED_UP = 16;

type Words = readonly [number, number, number, number];

/** Rows of a log. */
export class RowSet {
  #has = new Uint8Array(1024);
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  has(row: number): boolean {
    return this.#has[row] === 1;
  }

  add(row: number): void {
    if (this.has(row)) return;
    if (row >= this.#has.length) {
      const more = new Uint8Array(2 * (row + 1));
      more.set(this.#has);
      this.#has = more;
    }
    this.#has[row] = 1;
    this.#size++;
  }
}

/** The results of a run, each known by its row: its place in the file. */
export class ResultLog {
  readonly #path: string;
  readonly #records = new Column(Uint32Array);
  readonly #slots = new Slots();
  #file: LineFile | undefined;
  #index: RecordFile | undefined;
  /** Records that are in the index. */
  #written = 0;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Opens the results of a folder, for going on with them.
   * @throws FastvError as `openLines` does
   */
  static async open(folder: string): Promise<ResultLog> {
    const log = new ResultLog(join(folder, 'results.jsonl'));
    const index = join(folder, 'results.index');
    const onLine = ({ value, from }: { readonly value: unknown; readonly from: number }): void => {
      const key = keyOf(value);
      if (key !== undefined) log.#take(wordsOf(key), from);
    };
    log.#file = await openLines(log.#path, onLine, () => Promise.resolve(log.#restore(index)));
    try {
      log.#index = await openRecords(index, BYTES * (1 + log.#written));
      await log.#index.write(Uint32Array.from([...MAGIC, ...halves(log.#identity()), 0, 0]), 0);
      await log.#write(0);
      return log;
    } catch (error) {
      await log.#file.close();
      throw error;
    }
  }

  /** How many there are. */
  get size(): number {
    return this.#records.length / WORDS;
  }

  /** The row of the first result with a key; undefined where there is none. */
  find(key: string): number | undefined {
    const words = wordsOf(key);
    const row = this.#slots.find(hashOf(words), (place) => this.#has(place, words));
    return row === -1 ? undefined : row;
  }

  /** Appends results and returns when they are on the disk. @returns their rows */
  async append(results: readonly Result[]): Promise<readonly number[]> {
    const from = (await this.#file?.append(results)) ?? [];
    const rows = results.map(({ key }, i) => this.#take(wordsOf(key), from[i] ?? NaN));
    await this.#write(PORTION);
    return rows;
  }

  /**
   * The wanted results as a table, in one pass over the file.
   * @throws FastvError `invalid-input` where the file is not what the index says
   */
  async table(wanted: RowSet): Promise<ResultTable> {
    const table = new ResultTable([this.#path]);
    let row = 0;
    await eachLine(this.#path, ({ value, from }) => {
      const key = keyOf(value);
      if (key === undefined) return;
      if (from !== this.#from(row) || !this.#has(row, wordsOf(key))) {
        throw new FastvError('invalid-input', 'the results were changed by something else', {
          where: `${this.#path}, byte ${from}`,
          hint: 'remove results.index beside them, and run the same command again',
        });
      }
      if (wanted.has(row)) table.add(value as Result, { file: 0, from });
      row++;
    });
    return table;
  }

  async close(): Promise<void> {
    try {
      await this.#write(0);
      await this.#index?.close();
    } finally {
      await this.#file?.close();
    }
  }

  /** @returns its row */
  #take(words: Words, from: number): number {
    for (const word of [...words, ...halves(from)]) this.#records.push(word);
    return this.#slots.add(hashOf(words));
  }

  #has(row: number, words: Words): boolean {
    return words.every((word, i) => this.#records.at(WORDS * row + i) === word);
  }

  #from(row: number): number {
    return this.#records.at(WORDS * row + 4) + 2 ** 32 * this.#records.at(WORDS * row + 5);
  }

  /** Writes the records that are not in the index, if there are more than so many. */
  async #write(more: number): Promise<void> {
    while (this.size - this.#written > more) {
      const count = Math.min(PORTION, this.size - this.#written);
      const [first, written] = [WORDS * this.#written, this.#written];
      const words = Uint32Array.from({ length: WORDS * count }, (_, i) => this.#records.at(first + i));
      this.#written += count;
      await this.#index?.write(words, BYTES * (1 + written));
    }
  }

  /** The number of the file on its disk: one that took its place has another. */
  #identity(): number {
    const { fd, stats } = openRegular(this.#path, { followLink: false });
    closeSync(fd);
    return stats.ino;
  }

  /** Takes what an index holds. @returns where in the log the last of its results ends; 0 where it does not fit */
  #restore(path: string): number {
    const open: number[] = [];
    try {
      const [log, index] = [this.#path, path].map((one) => openRegular(one, { followLink: false }));
      open.push(...[log, index].flatMap((file) => (file === undefined ? [] : [file.fd])));
      if (log === undefined || index === undefined) return 0;
      const records = recordsOf(index.fd, index.size);
      const count = records.length / WORDS;
      const expected = [...MAGIC, ...halves(log.stats.ino)];
      if (count < 2 || expected.some((word, i) => records.at(i) !== word)) return 0;
      const end = endOf(records, log.fd, this.#path);
      if (end === undefined) return 0;
      for (let at = 1; at < count; at++) {
        const [a, b, c, d] = [0, 1, 2, 3].map((i) => records.at(WORDS * at + i));
        this.#take([a ?? 0, b ?? 0, c ?? 0, d ?? 0], fromOf(records, at));
      }
      this.#written = count - 1;
      return end;
    } catch (error) {
      // an index that is not there, or not to be read, is none
      if (error instanceof FastvError) return 0;
      throw error;
    } finally {
      for (const fd of open) closeSync(fd);
    }
  }
}

/** The whole records of an index. */
function recordsOf(fd: number, size: number): Column {
  const records = new Column(Uint32Array);
  const portion = Buffer.alloc(BYTES * PORTION);
  for (let at = 0; at + BYTES <= size;) {
    const read = readSync(fd, portion, 0, Math.min(portion.length, size - at), at);
    const whole = read - (read % BYTES);
    if (whole === 0) break;
    for (let i = 0; i < whole; i += 4) records.push(portion.readUInt32LE(i));
    at += whole;
  }
  return records;
}

/** Where in the log the last of the records' results ends; undefined where one that is looked up does not lie there. */
function endOf(records: Column, log: number, path: string): number | undefined {
  const last = records.length / WORDS - 1;
  for (let at = 2; at <= last; at++) if (!(fromOf(records, at) > fromOf(records, at - 1))) return undefined;
  let end: number | undefined;
  for (let i = 1; i <= LOOKED_UP; i++) {
    const at = Math.max(1, Math.floor((last * i) / LOOKED_UP));
    const line = lineAt(log, fromOf(records, at), path);
    const key = keyOf(parsed(line));
    if (key === undefined || wordsOf(key).some((word, j) => records.at(WORDS * at + j) !== word))
      return undefined;
    end = fromOf(records, at) + line.length;
  }
  return end;
}

function fromOf(records: Column, at: number): number {
  return records.at(WORDS * at + 4) + 2 ** 32 * records.at(WORDS * at + 5);
}

function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The key of a line; undefined for what is no result. */
function keyOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('key' in value)) return undefined;
  return typeof value.key === 'string' ? value.key : undefined;
}

/** A key's 128 bits, or those of a hash of what is none of ours. */
function wordsOf(key: string): Words {
  const hex = /^[0-9a-f]{32}$/u.test(key) ? key : createHash('sha256').update(key).digest('hex');
  const word = (i: number): number => Number.parseInt(hex.slice(8 * i, 8 * i + 8), 16);
  return [word(0), word(1), word(2), word(3)];
}

/** Keys are hashes already. */
function hashOf([a, b, c, d]: Words): number {
  return (a ^ b ^ c ^ d) >>> 0;
}

function halves(value: number): readonly [number, number] {
  return [value % 2 ** 32, Math.floor(value / 2 ** 32)];
}
