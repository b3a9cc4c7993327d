// @ts-check
// The process that decodes Parquet and Arrow for `decode-process.ts`. A page of a few bytes may ask for any number of values,
// and the decoders believe it; here they can be given up, by the time or by the memory they take, and nobody else is hurt.
// JavaScript, for Node runs this file as it lies, beside the sources as well as in a package.
import { Worker } from 'node:worker_threads';

/** @import { FileMetaData } from 'hyparquet' */
/** @import { FromChild, Most, ToChild } from './decode-process.js' */

/** Ends this process when it takes more bytes or milliseconds than it may, or is nobody's child any more. */
const WATCH = `
  const { workerData: { most, parent } } = require('node:worker_threads');
  const end = (signal) => process.kill(process.pid, signal);
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    if (process.memoryUsage.rss() > most[0] || process.ppid !== parent) end('SIGKILL');
    else if ((user + system) / 1000 > most[1]) end('SIGTERM');
  }, 10);
`;

/** Bytes of a file that are asked for at once where all of them are wanted. */
const PORTION = 2 ** 20;

/**
 * Decompressors that together unpack no more than the row group says it takes: what a page says of itself is one claim
 * more. An empty page is empty in every codec; one of them chokes on it.
 * @param {number} most
 * @param {import('hyparquet').Compressors} compressors
 * @returns {import('hyparquet').Compressors}
 */
export function boundedCompressors(most, compressors) {
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

/**
 * Bytes that a value takes, about; the same value in two places counts twice, because it is sent twice.
 * @param {unknown} value
 * @returns {number}
 */
function bytesOf(value) {
  let bytes = 0;
  const open = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'string') bytes += 2 * next.length;
    else if (ArrayBuffer.isView(next)) bytes += next.byteLength;
    else if (typeof next === 'object' && next !== null)
      for (const item of Object.values(next)) open.push(item);
    bytes += 16;
  }
  return bytes;
}

/**
 * The items of a list, none of which is held any longer.
 * @template T
 * @param {T[]} list
 */
function* drained(list) {
  list.reverse();
  for (let item = list.pop(); item !== undefined; item = list.pop()) yield item;
}

/**
 * Answers what comes from the parent, one question at a time.
 * @param {Most} limits
 */
function serve(limits) {
  const most = new Float64Array(new SharedArrayBuffer(16));
  most.set([limits.memory, limits.milliseconds]);
  new Worker(WATCH, { eval: true, workerData: { most, parent: process.ppid } });
  // Ctrl-C is for the parent, which ends this process when it has done its work
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit());

  const tell = (/** @type {FromChild} */ message) => void process.send?.(message);
  /** @type {Map<number, (bytes: ArrayBuffer) => void>} */
  const wanted = new Map();
  let slices = 0;
  /** Bytes that came since the last question for rows: what is held of the file. */
  let given = 0;
  /** @type {FileMetaData | undefined} */
  let metadata;
  /** @type {Iterator<Record<string, unknown>> | AsyncIterator<Record<string, unknown>>} */
  let records = [][Symbol.iterator]();
  /** What came in the place of the next row. @type {unknown} */
  let failed;

  const take = (/** @type {Uint8Array} */ bytes) => {
    given += bytes.byteLength;
    // what was once held may not be free yet
    most[0] = Math.max(most[0] ?? 0, limits.memory + limits.memoryPerByte * given);
    most[1] = (most[1] ?? 0) + limits.millisecondsPerByte * bytes.byteLength;
    return new Uint8Array(bytes).buffer; // a copy, because what comes is a part of a larger buffer
  };
  const slice = (/** @type {number} */ start, /** @type {number} */ end) => {
    const id = slices++;
    tell({ kind: 'slice', id, start, end });
    return new Promise((/** @type {(bytes: ArrayBuffer) => void} */ done) => wanted.set(id, done));
  };
  const file = (/** @type {number} */ byteLength) => ({
    byteLength,
    slice: (/** @type {number} */ start, end = byteLength) => slice(start, end),
  });
  async function* stream() {
    for (let at = 0; ;) {
      const bytes = new Uint8Array(await slice(at, at + PORTION));
      if (bytes.length === 0) return;
      at += bytes.length;
      yield bytes;
    }
  }

  /** Rows for one message; what goes wrong behind some of them is said when they have been sent. */
  const nextRows = async () => {
    if (failed !== undefined) throw failed;
    const rows = [];
    let bytes = 0;
    try {
      while (rows.length < limits.rows && bytes < limits.bytes) {
        const next = await records.next();
        if (next.done === true) break;
        const size = bytesOf(next.value);
        if (size > limits.rowBytes) {
          throw new Error(`a row takes ${size} bytes, at most ${limits.rowBytes} are read`);
        }
        bytes += size;
        rows.push(next.value);
      }
    } catch (error) {
      if (rows.length === 0) throw error;
      failed = error;
    }
    return rows;
  };

  const answer = async (/** @type {ToChild} */ question) => {
    if (question.kind === 'bytes') {
      wanted.get(question.id)?.(take(question.bytes));
      wanted.delete(question.id);
      return;
    }
    if (question.kind === 'rows') {
      tell({ kind: 'rows', rows: await nextRows() });
      return;
    }
    given = 0;
    if (question.kind === 'arrow') {
      const { arrowRows } = await import('./arrow-child.js');
      records = arrowRows(stream(), limits.items, () => (given = 0));
      tell({ kind: 'count', count: 0 });
      return;
    }
    const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
    const whole = file(question.size);
    metadata ??= await parquetMetadataAsync(whole);
    if (question.kind === 'metadata') {
      tell({ kind: 'metadata', metadata });
      return;
    }
    const { compressors } = await import('hyparquet-compressors');
    const { unpacked, ...options } = question;
    const bounded = { compressors: boundedCompressors(unpacked, compressors), utf8: false };
    const rows = await parquetReadObjects({ ...options, ...bounded, file: whole, metadata });
    tell({ kind: 'count', count: rows.length });
    records = drained(rows);
  };
  process.on('message', (/** @type {ToChild} */ question) => {
    answer(question).catch((/** @type {unknown} */ error) => {
      tell({ kind: 'error', message: error instanceof Error ? error.message : String(error) });
    });
  });
}

if (process.argv[2] === 'serve') serve(JSON.parse(process.argv[3] ?? ''));
