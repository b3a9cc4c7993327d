// @ts-check
// Rows of an Arrow IPC stream or file, as `decode-child.js` sends them.
import { DataType, RecordBatchReader, StructRow } from 'apache-arrow';

/** @import { RecordBatch } from 'apache-arrow' */

/**
 * The rows, a record batch at a time.
 * @param {AsyncIterable<Uint8Array>} stream
 * @param {number} items the most that a list may have
 * @param {() => void} onBatch called when a batch has been read through
 * @returns {AsyncGenerator<Record<string, unknown>>}
 */
export async function* arrowRows(stream, items, onBatch) {
  const reader = await (await RecordBatchReader.from(stream)).open();
  if (reader.schema.fields.length === 0) throw new Error('the schema has no fields');
  for await (const batch of /** @type {AsyncIterable<RecordBatch>} */ (reader)) {
    // a value takes a bit at least; what a batch says of itself is a claim
    if (batch.numRows > 8 * batch.data.byteLength + 64) {
      throw new Error(`a batch of ${batch.data.byteLength} bytes claims to have ${batch.numRows} rows`);
    }
    for (let i = 0; i < batch.numRows; i++) yield rowOf(batch, i, items);
    onBatch();
  }
}

/**
 * @param {RecordBatch} batch
 * @param {number} index
 * @param {number} items
 */
function rowOf(batch, index, items) {
  /** @type {Record<string, unknown>} */
  const row = batch.get(index)?.toJSON() ?? {};
  return Object.fromEntries(
    batch.schema.fields.map(({ name, type }) => [name, plain(row[name], type, items, 0)]),
  );
}

/**
 * Arrow's vectors and rows as lists and objects, decimals as numbers, times as dates, as Parquet's reader has them;
 * bytes stay bytes.
 * @param {unknown} value
 * @param {DataType | undefined} type
 * @param {number} items
 * @param {number} depth
 * @returns {unknown}
 */
function plain(value, type, items, depth) {
  if (DataType.isDictionary(type)) return plain(value, type.dictionary, items, depth);
  if ((DataType.isTimestamp(type) || DataType.isDate(type)) && typeof value === 'number') {
    return new Date(value);
  }
  if (DataType.isDecimal(type) && value instanceof Uint32Array) return decimal(value, type.scale);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (depth > 16) throw new Error('values are nested too deeply');
  /** @type {readonly { name: string, type: DataType }[]} */
  const children = type?.children ?? [];
  if (ArrayBuffer.isView(value)) {
    return Array.from(/** @type {ArrayLike<number | bigint>} */ (/** @type {unknown} */ (value)));
  }
  if (Symbol.iterator in value && 'get' in value && 'length' in value) {
    const { length } = value;
    if (typeof length !== 'number' || length > items) throw new Error(`a list of ${String(length)} items`);
    return Array.from(/** @type {Iterable<unknown>} */ (value), (item) =>
      plain(item, children[0]?.type, items, depth + 1),
    );
  }
  const record = value instanceof StructRow ? value.toJSON() : value;
  return Object.fromEntries(
    Object.entries(record).map(([key, item]) => {
      const child = children.find(({ name }) => name === key);
      return [key, plain(item, child?.type, items, depth + 1)];
    }),
  );
}

/**
 * A decimal: a whole number in two's complement, its lowest 32 bits first, over a power of ten.
 * @param {Uint32Array} words
 * @param {number} scale
 */
function decimal(words, scale) {
  const whole = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return Number(BigInt.asIntN(32 * words.length, whole)) / 10 ** scale;
}
