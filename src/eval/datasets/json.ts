/** Rows of a JSON Lines file, or of a JSON file that is a list of records or a record of records. */
import { FastvError } from '../../errors.js';
import type { DataFile } from './data-file.js';
import { describe, LIMITS, rowError, type Row } from './row.js';

/** A row, or in its place the error that it is; the reader goes on after it. */
export type RowOrError = Row | FastvError;

/** Lines of a `.jsonl` file. Empty lines do not count. A line that is no JSON record comes as an error. */
export async function* readJsonLines(file: DataFile): AsyncGenerator<RowOrError> {
  let index = 0;
  let empty = 0;
  for await (const line of lines(file)) {
    if (line.trim() === '') {
      if (++empty <= LIMITS.emptyLines) continue;
      throw new FastvError('invalid-input', `${empty} lines one after the other are empty`, {
        where: file.name,
      });
    }
    empty = 0;
    yield parsed(file.name, index++, line);
  }
}

/**
 * Records of a `.json` file that is one list or one record of them, in the order of the file. It is cut at its outermost
 * commas, and what lies between them is parsed as a line of JSON Lines is: the file is never held whole, and none of its
 * records can cost more than a line. A JSON parser that streams would make the values itself, whatever they are.
 * @throws FastvError `invalid-input`, behind the rows before it, where the file is broken
 */
export async function* readJson(file: DataFile): AsyncGenerator<RowOrError> {
  let index = 0;
  for await (const { text, named } of items(file)) {
    const row = named ? parsedNamed(file.name, index++, text) : parsed(file.name, index++, text);
    // a line that is broken ends by itself; here nothing behind it can be told apart
    if (row instanceof FastvError && row.cause !== undefined) {
      const { code, message, where = file.name, cause } = row;
      throw new FastvError(code, message, { where, cause });
    }
    yield row;
  }
}

/** What lies between two outermost commas; `named` where the file is a record, and a name stands before each. */
interface Item {
  readonly text: string;
  readonly named: boolean;
}

/** In ASCII the end of a bracket is two behind its beginning. */
const [BRACKET, BRACKET_END, BRACE, BRACE_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];

async function* items(file: DataFile): AsyncGenerator<Item> {
  const refused = (why: string): FastvError =>
    new FastvError('invalid-input', `malformed JSON: ${why}`, { where: file.name });
  const neither = 'a list of records is needed, or a record of records';
  const text = new Pieces(file);
  /** The outermost bracket: 0 before it, −1 behind its end. */
  let outer = 0;
  let depth = 0;
  let count = 0;
  let [quoted, escaped] = [false, false];
  for await (const chunk of await file.stream()) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk[i] ?? 0;
      if (quoted) {
        if (escaped) escaped = false;
        else if (code === BACKSLASH) escaped = true;
        else if (code === QUOTE) quoted = false;
        continue;
      }
      if (code === QUOTE) quoted = true;
      const opens = code === BRACKET || code === BRACE;
      const closes = code === BRACKET_END || code === BRACE_END;
      if (opens) depth++;
      if (closes) depth--;
      if (!(opens ? depth === 1 : closes ? depth <= 0 : code === COMMA && depth === 1)) continue;
      text.add(chunk.subarray(start, i));
      start = i + 1;
      const item = text.take();
      if (opens) {
        if (outer !== 0 || item.trim() !== '') throw refused(neither);
        outer = code;
        continue;
      }
      if (closes && code !== outer + 2) throw refused(neither);
      const nothing = item.trim() === '';
      // a list may have none
      if (nothing && !(closes && count === 0)) throw refused('an item is missing');
      if (!nothing) yield { text: item, named: outer === BRACE };
      count++;
      if (closes) outer = -1;
    }
    text.add(chunk.subarray(start));
  }
  if (outer !== -1) throw refused(outer === 0 ? neither : 'it ends too early');
  if (text.take().trim() !== '') throw refused(neither);
}

/** Lines, without their ends. */
async function* lines(file: DataFile): AsyncGenerator<string> {
  const line = new Pieces(file);
  for await (const chunk of await file.stream()) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      line.add(chunk.subarray(start, end));
      start = end + 1;
      yield line.take();
    }
    line.add(chunk.subarray(start));
  }
  const last = line.take();
  if (last !== '') yield last;
}

/**
 * Text that comes in pieces. It is put together once, at its end, and as bytes: joining it at each chunk would be quadratic,
 * and letters in pieces take twice the room.
 */
class Pieces {
  readonly #file: DataFile;
  #begun: Uint8Array[] = [];
  #length = 0;
  #first = true;

  constructor(file: DataFile) {
    this.#file = file;
  }

  /** @throws FastvError `invalid-input` for more than a row may have */
  add(piece: Uint8Array): void {
    this.#begun.push(piece);
    this.#length += piece.length;
    if (this.#length <= LIMITS.jsonLine) return;
    throw new FastvError('invalid-input', `a row is longer than ${LIMITS.jsonLine} bytes`, {
      where: this.#file.name,
    });
  }

  /** All of it; what is added then is another. */
  take(): string {
    const text = Buffer.concat(this.#begun).toString('utf8');
    this.#begun = [];
    this.#length = 0;
    const marked = this.#first && text.startsWith('\ufeff');
    this.#first = false;
    return marked ? text.slice(1) : text;
  }
}

const NEWLINE = 0x0a;

/** Values of a row: pictures are long texts, but few. An empty record takes thirty times its two letters. */
const MOST_VALUES = 2 ** 20;

/** Whether a text of JSON has more values than can be made of a text from outside: each is behind a comma or a bracket. */
export function hasManyValues(text: string): boolean {
  if (text.length <= MOST_VALUES) return false;
  let count = 0;
  for (let i = 0; i < text.length && count <= MOST_VALUES; i++) {
    const code = text.charCodeAt(i);
    if (code === COMMA || code === BRACKET || code === BRACE) count++;
  }
  return count > MOST_VALUES;
}

function parsed(file: string, index: number, line: string): RowOrError {
  const empty = { file, index, fields: {} };
  if (hasManyValues(line)) return rowError(empty, undefined, `it has more than ${MOST_VALUES} values`);
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value)) return { file, index, fields: value };
    return rowError(empty, undefined, `a record is needed, this is ${describe(value)}`);
  } catch (error) {
    return rowError(
      empty,
      undefined,
      `malformed JSON: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
}

/** A row of `"name": record`; the name is its `id`, if it has none of its own. */
function parsedNamed(file: string, index: number, text: string): RowOrError {
  const row = parsed(file, index, `{${text}}`);
  if (row instanceof FastvError) return row;
  const [[id, record] = ['', undefined]] = Object.entries(row.fields);
  if (isRecord(record)) return { file, index, fields: { id, ...record } };
  return rowError({ file, index, fields: {} }, undefined, `a record is needed, this is ${describe(record)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
