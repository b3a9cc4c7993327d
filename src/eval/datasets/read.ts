/** Rows of a file of any kind that is read here, told apart by its name. */
import { extname } from 'node:path';
import { FastvError } from '../../errors.js';
import { readArrow } from './arrow.js';
import type { DataFile } from './data-file.js';
import { readJson, readJsonLines, type RowOrError } from './json.js';
import { readParquet, type ParquetOptions } from './parquet.js';

/** Kinds of files, by extension. */
export const READERS: Readonly<
  Record<string, (file: DataFile, options: ParquetOptions) => AsyncGenerator<RowOrError>>
> = {
  '.parquet': readParquet,
  '.arrow': readArrow,
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.json': readJson,
};

/**
 * The rows of a file. A row that is malformed alone comes as an error in its place, and reading goes on;
 * a file that is malformed throws.
 * @throws FastvError `invalid-input` for a kind of file that is not read here, or a malformed one
 */
export function readRows(file: DataFile, options: ParquetOptions = {}): AsyncGenerator<RowOrError> {
  const reader = READERS[extname(file.name).toLowerCase()];
  if (reader === undefined) {
    throw new FastvError('invalid-input', 'no reader for this kind of file', {
      where: file.name,
      hint: `known kinds: ${Object.keys(READERS).join(', ')}`,
    });
  }
  return reader(file, options);
}
