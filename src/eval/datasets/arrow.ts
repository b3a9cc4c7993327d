/**
 * Rows of an Arrow IPC stream or file (what the `datasets` library saves to disk), a record batch at a time.
 */
import { DataType, RecordBatchReader, StructRow, type RecordBatch } from 'apache-arrow';
import { FastvError } from '../../errors.js';
import type { DataFile } from './data-file.js';
import { describe, LIMITS, type Row } from './row.js';

/** @throws FastvError `invalid-input` naming file and row where the bytes are no Arrow, or too large */
export async function* readArrow(file: DataFile): AsyncGenerator<Row> {
  let index = 0;
  const malformed = (error: unknown): FastvError => {
    if (error instanceof FastvError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new FastvError('invalid-input', `malformed Arrow: ${message}`, {
      where: `${file.name}, row ${index}`,
      cause: error,
    });
  };
  let batches: AsyncIterator<RecordBatch>;
  try {
    const reader = await RecordBatchReader.from(bounded(await file.stream(), file.name));
    const opened = await reader.open();
    if (opened.schema.fields.length === 0) throw new Error('the schema has no fields');
    batches = opened[Symbol.asyncIterator]() as AsyncIterator<RecordBatch>;
  } catch (error) {
    throw malformed(error);
  }
  for (;;) {
    let batch: RecordBatch;
    try {
      const next = await batches.next();
      if (next.done === true) return;
      batch = next.value;
    } catch (error) {
      throw malformed(error);
    }
    // a value takes a bit at least; what a batch says of itself is a claim
    if (batch.numRows > 8 * batch.data.byteLength + 64) {
      throw malformed(
        new Error(`a batch of ${batch.data.byteLength} bytes claims to have ${batch.numRows} rows`),
      );
    }
    for (let i = 0; i < batch.numRows; i++) {
      let fields: Record<string, unknown>;
      try {
        fields = rowOf(batch, i);
      } catch (error) {
        throw malformed(error);
      }
      yield { file: file.name, index: index++, fields };
    }
  }
}

function rowOf(batch: RecordBatch, index: number): Record<string, unknown> {
  const row: Record<string, unknown> = batch.get(index)?.toJSON() ?? {};
  return Object.fromEntries(
    batch.schema.fields.map(({ name, type }) => [name, plain(row[name], type as DataType)]),
  );
}

/**
 * Arrow's vectors and rows as lists and objects, decimals as numbers, times as dates, as Parquet's reader has them;
 * bytes stay bytes.
 */
function plain(value: unknown, type: DataType | undefined, depth = 0): unknown {
  if (DataType.isDictionary(type)) return plain(value, type.dictionary as DataType, depth);
  if ((DataType.isTimestamp(type) || DataType.isDate(type)) && typeof value === 'number')
    return new Date(value);
  if (DataType.isDecimal(type) && value instanceof Uint32Array) return decimal(value, type.scale);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (depth > 16) throw new Error('values are nested too deeply');
  const children: readonly { name: string; type: DataType }[] = type?.children ?? [];
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number | bigint>);
  if (Symbol.iterator in value && 'get' in value && 'length' in value) {
    const { length } = value;
    if (typeof length !== 'number' || length > LIMITS.items)
      throw new Error(`a list of ${describe(length)} items`);
    return Array.from(value as unknown as Iterable<unknown>, (v) => plain(v, children[0]?.type, depth + 1));
  }
  const record = value instanceof StructRow ? value.toJSON() : value;
  return Object.fromEntries(
    Object.entries(record).map(([key, item]) => {
      const child = children.find(({ name }) => name === key);
      return [key, plain(item, child?.type, depth + 1)];
    }),
  );
}

/** A decimal: a whole number in two's complement, its lowest 32 bits first, over a power of ten. */
function decimal(words: Uint32Array, scale: number): number {
  const bits = BigInt(32 * words.length);
  const whole = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return Number(BigInt.asIntN(Number(bits), whole)) / 10 ** scale;
}

/** The chunks of a stream, each bounded: Arrow's reader asks for a whole message at once. */
async function* bounded(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    if (chunk.byteLength > LIMITS.batch)
      throw new FastvError('invalid-input', 'a chunk is too large', { where: name });
    yield chunk;
  }
}
