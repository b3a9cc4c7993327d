/**
 * Rows of an Arrow IPC stream or file (what the `datasets` library saves to disk), a record batch at a time.
 */
import { FastvError } from '../../errors.js';
import type { DataFile } from './data-file.js';
import { DecodeProcess } from './decode-process.js';
import type { Row } from './row.js';

/** @throws FastvError `invalid-input` naming file and row where the bytes are no Arrow, or too large */
export async function* readArrow(file: DataFile): AsyncGenerator<Row> {
  const bytes = (await file.stream())[Symbol.asyncIterator]();
  const decoder = new DecodeProcess(async () => {
    const next = await bytes.next();
    return next.done === true ? new Uint8Array() : next.value;
  });
  let index = 0;
  try {
    for await (const rows of decoder.arrow()) {
      for (const fields of rows) yield { file: file.name, index: index++, fields };
    }
  } catch (cause) {
    if (cause instanceof FastvError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    const where = `${file.name}, row ${index}`;
    throw new FastvError('invalid-input', `malformed Arrow: ${message}`, { where, cause });
  } finally {
    decoder.close();
    await bytes.return?.();
  }
}
