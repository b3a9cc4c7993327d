/**
 * Rows of a Parquet file, one row group at a time, or fewer rows at a time where the file has an offset
 * index. Strings come as strings, bytes as bytes, nested columns as objects and lists.
 */
import { parquetMetadataAsync, parquetReadObjects, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { FastvError } from '../../errors.js';
import type { DataFile } from './data-file.js';
import { LIMITS, type Row } from './row.js';

/** Rows read at once where the file lets us read fewer than a row group. */
const SLICE = 64;

export interface ParquetOptions {
  /** Only these top-level columns; all of them otherwise. */
  readonly columns?: readonly string[];
}

/** @throws FastvError `invalid-input` naming file and row where the bytes are no Parquet, or too large */
export async function* readParquet(file: DataFile, options: ParquetOptions = {}): AsyncGenerator<Row> {
  const buffer = { byteLength: file.size, slice: (start: number, end = file.size) => file.slice(start, end) };
  const metadata = await orMalformed(file.name, parquetMetadataAsync(buffer));
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
    if (!Number.isSafeInteger(rows) || rows < 0 || bytes > file.size) {
      throw new FastvError('invalid-input', 'the row group claims more than the file can hold', { where });
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
      const read = parquetReadObjects({
        file: buffer,
        metadata,
        rowStart: start,
        rowEnd,
        compressors,
        utf8: false,
        useOffsetIndex: sliced,
        ...(columns === undefined ? {} : { columns }),
      });
      const records = await orMalformed(where, read);
      if (records.length !== rowEnd - start) {
        throw new FastvError(
          'invalid-input',
          `${rowEnd - start} rows were promised, ${records.length} are there`,
          {
            where,
          },
        );
      }
      for (const [i, fields] of records.entries()) yield { file: file.name, index: start + i, fields };
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

async function orMalformed<T>(where: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof FastvError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new FastvError('invalid-input', `malformed Parquet: ${message}`, { where, cause: error });
  }
}
