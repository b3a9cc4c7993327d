/**
 * A row of a dataset, and reading its fields. Rows come from strangers: every reader here checks type
 * and size, and what is wrong is refused with an error that names file, row and field.
 */
import { FastvError } from '../../errors.js';
import { LIMITS as PICTURES } from '../../media/limits.js';
import { parsePythonList } from './python-literal.js';

export interface Row {
  /** The file, as its reader names it. */
  readonly file: string;
  /** Position in the file, from 0. */
  readonly index: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

export const LIMITS = {
  /** UTF-16 units of a text field. */
  text: 200_000,
  /** Items of a list field. */
  items: 1_000,
  /** Bytes of an encoded image. */
  image: 64 * 2 ** 20,
  /** Pixels of an image, and of all images of a row (or frames of a video), as stored. */
  pixels: PICTURES.pixels,
  rowPixels: 150_000_000,
  /** Images of a row. */
  images: 64,
  /** Bytes of a row in JSON, a line of JSON Lines or an item of a list: an image in base64 fits. */
  jsonLine: 96 * 2 ** 20,
  /** Lines without anything that may follow each other. */
  emptyLines: 1_000_000,
  /** Bytes of a Parquet row group or an Arrow record batch. */
  batch: 2 ** 30,
} as const;

/** Where a row is, in words. */
export function whereOf(row: Row, field?: string): string {
  return `${row.file}, row ${row.index}${field === undefined ? '' : `, field ${field}`}`;
}

/** An error about a row. */
export function rowError(row: Row, field: string | undefined, message: string, cause?: unknown): FastvError {
  return new FastvError('invalid-input', message, {
    where: whereOf(row, field),
    hint: 'see --on-error to skip such rows',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A field's value, by a dotted path; undefined and null are both null. */
export function field(row: Row, path: string): unknown {
  let value: unknown = row.fields;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Record<string, unknown>)[name];
  }
  return value ?? null;
}

/** A text field; numbers and booleans are written out. @throws FastvError if it is anything else */
export function textField(row: Row, path: string): string {
  return asText(row, path, field(row, path));
}

/** A text field, or null where the field is null, absent or "nan", as pandas leaves holes. */
export function optionalText(row: Row, path: string): string | null {
  const value = field(row, path);
  if (value === null || (typeof value === 'number' && Number.isNaN(value))) return null;
  const text = asText(row, path, value);
  return text === 'nan' ? null : text;
}

/** A whole number, also where it is written as text. @throws FastvError if it is none */
export function integerField(row: Row, path: string): number {
  const value = field(row, path);
  const digits = typeof value === 'string' ? /^\s*-?\d{1,15}\s*$/.test(value) : true;
  const number = digits ? Number(value ?? NaN) : NaN;
  if (!['number', 'bigint', 'string'].includes(typeof value) || !Number.isSafeInteger(number)) {
    throw rowError(row, path, `a whole number is needed, this is ${describe(value)}`);
  }
  return number;
}

/** A list field. A list that was written as Python prints it counts. @throws FastvError if it is none */
export function listField(row: Row, path: string): readonly unknown[] {
  let value = field(row, path);
  if (typeof value === 'string') {
    const parsed = value.length <= LIMITS.text ? parsePythonList(value) : null;
    if (parsed === null) throw rowError(row, path, `a list is needed, this is ${describe(value)}`);
    value = parsed;
  }
  if (ArrayBuffer.isView(value) && !(value instanceof Uint8Array) && !(value instanceof DataView)) {
    value = Array.from(value as unknown as ArrayLike<number | bigint>);
  }
  if (!Array.isArray(value)) throw rowError(row, path, `a list is needed, this is ${describe(value)}`);
  if (value.length > LIMITS.items) {
    throw rowError(row, path, `the list has ${value.length} items, at most ${LIMITS.items} are read`);
  }
  return value as readonly unknown[];
}

/** A list of texts; `item` picks a field of each where the items are records. */
export function textListField(row: Row, path: string, item?: string): readonly string[] {
  return listField(row, path).map((value, i) => {
    const name = `${path}[${i}]`;
    if (item === undefined) return asText(row, name, value);
    const record = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
    return asText(row, `${name}.${item}`, record[item]);
  });
}

/** What a value is, briefly, for messages. Never the value of a long text. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'absent';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === 'string')
    return value.length > 40 ? `text of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  return `a${typeof value === 'object' ? 'n object' : ` ${typeof value}`}`;
}

function asText(row: Row, path: string, value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  if (typeof value !== 'string') throw rowError(row, path, `a text is needed, this is ${describe(value)}`);
  if (value.length > LIMITS.text) {
    throw rowError(row, path, `the text has ${value.length} characters, at most ${LIMITS.text} are read`);
  }
  return value;
}
