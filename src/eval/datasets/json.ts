/** Rows of a JSON Lines file, or of a JSON file that is a list of records or a record of records. */
import { FastvError } from '../../errors.js';
import type { DataFile } from './data-file.js';
import { describe, LIMITS, rowError, type Row } from './row.js';

/** A row, or in its place the error that it is; the reader goes on after it. */
export type RowOrError = Row | FastvError;

/** Lines of a `.jsonl` file. Empty lines do not count. A line that is no JSON record comes as an error. */
export async function* readJsonLines(file: DataFile): AsyncGenerator<RowOrError> {
  let index = 0;
  for await (const line of lines(file)) {
    if (line.trim() === '') continue;
    yield parsed(file.name, index++, line);
  }
}

/** Records of a `.json` file, which is parsed whole: annotation files are, images are not in them. */
export async function* readJson(file: DataFile): AsyncGenerator<RowOrError> {
  if (file.size > LIMITS.json) {
    throw new FastvError(
      'invalid-input',
      `the file has ${file.size} bytes, at most ${LIMITS.json} are read`,
      {
        where: file.name,
        hint: 'write it as JSON Lines, one record a line',
      },
    );
  }
  const text = new TextDecoder().decode(await file.slice(0, file.size));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FastvError('invalid-input', `malformed JSON: ${String(error)}`, {
      where: file.name,
      cause: error,
    });
  }
  const records = Array.isArray(value)
    ? (value as unknown[])
    : isRecord(value)
      ? Object.entries(value).map(([id, record]) => (isRecord(record) ? { id, ...record } : record))
      : [];
  for (const [index, record] of records.entries()) {
    const row = { file: file.name, index, fields: isRecord(record) ? record : {} };
    yield isRecord(record)
      ? row
      : rowError(row, undefined, `a record is needed, this is ${describe(record)}`);
  }
}

/**
 * Lines, without their ends. A long line is put together once, at its end, and as bytes: joining it at each chunk would be
 * quadratic, and letters in pieces take twice the room.
 */
async function* lines(file: DataFile): AsyncGenerator<string> {
  let begun: Uint8Array[] = [];
  let length = 0;
  let first = true;
  const line = (): string => {
    const text = Buffer.concat(begun).toString('utf8');
    begun = [];
    length = 0;
    const start = first && text.startsWith('\ufeff') ? 1 : 0;
    first = false;
    return start === 0 ? text : text.slice(start);
  };
  for await (const chunk of await file.stream()) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      begun.push(chunk.subarray(start, end));
      start = end + 1;
      yield line();
    }
    const rest = chunk.subarray(start);
    begun.push(rest);
    length += rest.length;
    if (length > LIMITS.jsonLine) {
      throw new FastvError('invalid-input', `a line is longer than ${LIMITS.jsonLine} bytes`, {
        where: file.name,
      });
    }
  }
  const last = line();
  if (last !== '') yield last;
}

const NEWLINE = 0x0a;

/** Values of a row: pictures are long texts, but few. An empty record takes thirty times its two letters. */
const MOST_VALUES = 2 ** 20;

/** About how many values a text of JSON has: each is behind a comma or a bracket. */
function valuesIn(line: string): number {
  let count = 0;
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if (code === 0x2c || code === 0x5b || code === 0x7b) count++;
  }
  return count;
}

function parsed(file: string, index: number, line: string): RowOrError {
  const empty = { file, index, fields: {} };
  if (line.length > MOST_VALUES && valuesIn(line) > MOST_VALUES)
    return rowError(empty, undefined, `it has more than ${MOST_VALUES} values`);
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
