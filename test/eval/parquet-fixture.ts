/** Writes small Parquet files in the schemas that datasets are published in. Tests only. */
import { writeFileSync } from 'node:fs';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';

/** A column's type, as the `datasets` library maps it to Parquet; an image is {bytes, path}. */
export type ColumnType =
  | 'string'
  | 'int64'
  | 'int8'
  | 'double'
  | 'bool'
  | 'bytes'
  | 'image'
  | { readonly list: ColumnType }
  | { readonly struct: Readonly<Record<string, ColumnType>> };

/** The bytes of a Parquet file with these rows. */
export function parquetBytes(
  types: Readonly<Record<string, ColumnType>>,
  rows: readonly Readonly<Record<string, unknown>>[],
  options: { rowGroupSize?: number; offsetIndex?: boolean } = {},
): Uint8Array {
  const names = Object.keys(types);
  const schema: SchemaElement[] = [
    { name: 'root', num_children: names.length },
    ...names.flatMap((name) => elements(name, types[name] ?? 'string')),
  ];
  const columnData = names.map((name) => ({
    name,
    data: rows.map((row) => convert(types[name] ?? 'string', row[name])),
    offsetIndex: options.offsetIndex ?? false,
  }));
  const { rowGroupSize = 100 } = options;
  return new Uint8Array(
    parquetWriteBuffer({ columnData, schema, rowGroupSize, statistics: false, pageSize: 256 }),
  );
}

/** Writes such a file. */
export function writeParquet(path: string, ...args: Parameters<typeof parquetBytes>): void {
  writeFileSync(path, parquetBytes(...args));
}

function elements(name: string, type: ColumnType): SchemaElement[] {
  const repetition_type = 'OPTIONAL';
  if (type === 'image') return elements(name, { struct: { bytes: 'bytes', path: 'string' } });
  if (typeof type === 'object') {
    if ('list' in type) {
      return [
        { name, repetition_type, converted_type: 'LIST', num_children: 1 },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        ...elements('element', type.list),
      ];
    }
    const fields = Object.entries(type.struct);
    return [
      { name, repetition_type, num_children: fields.length },
      ...fields.flatMap(([n, t]) => elements(n, t)),
    ];
  }
  switch (type) {
    case 'string':
      return [{ name, repetition_type, type: 'BYTE_ARRAY', converted_type: 'UTF8' }];
    case 'bytes':
      return [{ name, repetition_type, type: 'BYTE_ARRAY' }];
    case 'int64':
      return [{ name, repetition_type, type: 'INT64' }];
    case 'int8':
      return [{ name, repetition_type, type: 'INT32', converted_type: 'INT_8' }];
    case 'double':
      return [{ name, repetition_type, type: 'DOUBLE' }];
    case 'bool':
      return [{ name, repetition_type, type: 'BOOLEAN' }];
  }
}

function convert(type: ColumnType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (type === 'int64') return BigInt(value as number);
  if (type === 'image') return value instanceof Uint8Array ? { bytes: value, path: null } : value;
  if (typeof type === 'object') {
    if ('list' in type) return (value as unknown[]).map((v) => convert(type.list, v));
    return Object.fromEntries(
      Object.entries(type.struct).map(([n, t]) => [n, convert(t, (value as Record<string, unknown>)[n])]),
    );
  }
  return value;
}
