// @ts-check
// The process that decodes Parquet for `parquet.ts`. A page of a few bytes may ask for any number of values, and the
// decoders believe it; here they can be given up, by the clock or by the memory they take, and nobody else is hurt.
// JavaScript, for Node runs this file as it lies, beside the sources as well as in a package.
import { Worker } from 'node:worker_threads';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/** @import { FileMetaData } from 'hyparquet' */
/** @import { FromChild, ToChild } from './parquet-process.js' */

/** Ends this process when it holds more than the first number, in bytes, or is nobody's child any more. */
const WATCH = `
  const { workerData: { most, parent } } = require('node:worker_threads');
  setInterval(() => {
    if (process.memoryUsage.rss() > most[0] || process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  }, 10);
`;

/**
 * Decompressors that together unpack no more than the row group says it takes: what a page says of itself is one claim
 * more. An empty page is empty in every codec; one of them chokes on it.
 * @param {number} most
 * @returns {import('hyparquet').Compressors}
 */
export function boundedCompressors(most) {
  let left = most;
  const bounded = Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (/** @type {Uint8Array} */ input, /** @type {number} */ length) => {
      left -= length;
      if (!(length >= 0 && left >= 0)) throw new Error('a page unpacks to more than its row group claims');
      return length === 0 ? new Uint8Array() : decompress(input, length);
    },
  ]);
  return Object.fromEntries(bounded);
}

/** Answers what comes from the parent, one question at a time. */
function serve() {
  const most = new Float64Array(new SharedArrayBuffer(8));
  most[0] = Infinity;
  new Worker(WATCH, { eval: true, workerData: { most, parent: process.ppid } });
  // Ctrl-C is for the parent, which ends this process when it has done its work
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit());

  const tell = (/** @type {FromChild} */ message) => void process.send?.(message);
  /** @type {Map<number, (bytes: ArrayBuffer) => void>} */
  const wanted = new Map();
  let slices = 0;
  /** @type {FileMetaData | undefined} */
  let metadata;
  /** @type {Record<string, unknown>[]} */
  let records = [];
  let sent = 0;

  const file = (/** @type {number} */ byteLength) => ({
    byteLength,
    slice: (/** @type {number} */ start, end = byteLength) => {
      const id = slices++;
      tell({ kind: 'slice', id, start, end });
      return new Promise((/** @type {(bytes: ArrayBuffer) => void} */ done) => wanted.set(id, done));
    },
  });

  const answer = async (/** @type {ToChild} */ question) => {
    if (question.kind === 'bytes') {
      // a copy, because what comes is a part of a larger buffer
      wanted.get(question.id)?.(new Uint8Array(question.bytes).buffer);
      wanted.delete(question.id);
      return;
    }
    if (question.kind === 'metadata') {
      most[0] = question.memory;
      metadata = await parquetMetadataAsync(file(question.size));
      tell({ kind: 'metadata', metadata });
      return;
    }
    if (question.kind === 'read') {
      const { memory, size, unpacked, ...options } = question;
      most[0] = memory;
      records = [];
      const footer = metadata ?? (await parquetMetadataAsync(file(size)));
      const read = { file: file(size), metadata: footer, compressors: boundedCompressors(unpacked) };
      records = await parquetReadObjects({ ...options, ...read, utf8: false });
      sent = 0;
      tell({ kind: 'count', count: records.length });
      return;
    }
    const end = sent + question.count;
    tell({ kind: 'rows', rows: records.slice(sent, end) });
    records.fill({}, sent, end); // what was sent need not be held
    sent = end;
  };
  process.on('message', (/** @type {ToChild} */ question) => {
    answer(question).catch((/** @type {unknown} */ error) => {
      tell({ kind: 'error', message: error instanceof Error ? error.message : String(error) });
    });
  });
}

if (process.argv[2] === 'serve') serve();
