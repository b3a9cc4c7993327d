/**
 * Rows of a Parquet file, one row group at a time, or fewer rows at a time where the file has an offset
 * index. Strings come as strings, bytes as bytes, nested columns as objects and lists.
 */
import { parquetMetadataAsync, parquetReadObjects, type Compressors, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { FastvError } from '../../errors.js';
import type { DataFile } from './data-file.js';
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
      const read = parquetReadObjects({
        file: buffer,
        metadata,
        rowStart: start,
        rowEnd,
        compressors: boundedCompressors(1.1 * unpacked + 2 ** 20),
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

/**
 * Decompressors that together unpack no more than the row group says it takes: what a page says of itself is one claim
 * more. An empty page is empty in every codec; one of them chokes on it.
 */
export function boundedCompressors(most: number): Compressors {
  let left = most;
  const bounded = Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, length: number): Uint8Array => {
      left -= length;
      if (!(length >= 0 && left >= 0)) throw new Error('a page unpacks to more than its row group claims');
      return length === 0 ? new Uint8Array() : decompress(input, length);
    },
  ]);
  return Object.fromEntries(bounded) as Compressors;
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
