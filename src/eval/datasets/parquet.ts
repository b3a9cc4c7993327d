/**
 * Rows of a Parquet file, one row group at a time, or fewer rows at a time where the file has an offset
 * index. Strings come as strings, bytes as bytes, nested columns as objects and lists.
 */
import type { FileMetaData } from 'hyparquet';
import { FastvError } from '../../errors.js';
import type { DataFile } from './data-file.js';
import { DecodeProcess } from './decode-process.js';
import { LIMITS, type Row } from './row.js';

/** Rows read at once where the file lets us read fewer than a row group. */
const SLICE = 64;

/** What a row group may have. A million rows is what pandas and pyarrow put into one. */
const MOST = { rows: 2 ** 20, cells: 2 ** 24, rowsPerByte: 100, unpacking: 200 } as const;
/** Small groups may be of constant values, which take next to nothing. */
const SLACK = { rows: 10_000, bytes: 2 ** 26 } as const;

export interface ParquetOptions {
  /** Only these top-level columns; all of them otherwise. */
  readonly columns?: readonly string[];
}

/** @throws FastvError `invalid-input` naming file and row where the bytes are no Parquet, or too large */
export async function* readParquet(file: DataFile, options: ParquetOptions = {}): AsyncGenerator<Row> {
  const decoder = new DecodeProcess((start, end) => file.slice(start, end));
  try {
    yield* rowsOf(file, decoder, options);
  } finally {
    decoder.close();
  }
}

async function* rowsOf(file: DataFile, decoder: DecodeProcess, options: ParquetOptions): AsyncGenerator<Row> {
  const metadata = await decoder.metadata(file.size).catch(malformed(file.name));
  const columns = options.columns?.filter((c) => topLevelColumns(metadata).has(c));
  let rowStart = 0;
  for (const [g, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows);
    const where = `${file.name}, row group ${g} (from row ${rowStart})`;
    const wanted = group.columns.filter((c) => {
      const top = c.meta_data?.path_in_schema[0];
      return columns === undefined || (top !== undefined && columns.includes(top));
    });
    // only bytes that the file can have: the sizes are claims until then
    const bytes = wanted.reduce((sum, c) => sum + Number(c.meta_data?.total_compressed_size ?? 0), 0);
    const unpacked = wanted.reduce((sum, c) => sum + Number(c.meta_data?.total_uncompressed_size ?? 0), 0);
    const all = group.columns.reduce((sum, c) => sum + Number(c.meta_data?.total_compressed_size ?? 0), 0);
    if (
      !(Number.isSafeInteger(rows) && rows >= 0 && Math.max(bytes, all) <= file.size) ||
      rows > SLACK.rows + MOST.rowsPerByte * all ||
      unpacked > SLACK.bytes + MOST.unpacking * bytes
    ) {
      throw new FastvError('invalid-input', 'the row group claims more than the file can hold', { where });
    }
    if (rows > MOST.rows || rows * wanted.length > MOST.cells) {
      throw new FastvError(
        'invalid-input',
        `the row group has ${rows} rows of ${wanted.length} columns; at most ${MOST.rows} rows and ${MOST.cells} values are read`,
        { where, hint: 'rewrite the file with smaller row groups' },
      );
    }
    const sliced = wanted.length > 0 && wanted.every((c) => c.offset_index_offset !== undefined);
    if (!sliced && unpacked > LIMITS.batch) {
      throw new FastvError(
        'invalid-input',
        `the row group takes ${unpacked} bytes, at most ${LIMITS.batch} are read`,
        {
          where,
          hint: 'rewrite the file with smaller row groups or with an offset index',
        },
      );
    }
    const step = sliced ? SLICE : Math.max(1, rows);
    for (let start = rowStart; start < rowStart + rows; start += step) {
      const rowEnd = Math.min(start + step, rowStart + rows);
      const slice = { rowStart: start, rowEnd, useOffsetIndex: sliced, unpacked: 1.1 * unpacked + 2 ** 20 };
      const read = { ...slice, ...(columns === undefined ? {} : { columns }) };
      let index = start;
      try {
        for await (const records of decoder.parquet(file.size, read)) {
          for (const fields of records) yield { file: file.name, index: index++, fields };
        }
      } catch (error) {
        malformed(where)(error);
      }
    }
    rowStart += rows;
  }
}

function topLevelColumns(metadata: FileMetaData): Set<string> {
  const paths = metadata.row_groups.flatMap((g) =>
    g.columns.map((c) => c.meta_data?.path_in_schema[0] ?? ''),
  );
  return new Set(paths);
}

function malformed(where: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof FastvError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new FastvError('invalid-input', `malformed Parquet: ${message}`, { where, cause: error });
  };
}
