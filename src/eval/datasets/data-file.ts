/** A file of a dataset, on disk or on a server: its bytes can be had in pieces, so none is held whole. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { FastvError } from '../../errors.js';

export interface DataFile {
  /** Its path as messages name it. */
  readonly name: string;
  readonly size: number;
  /** Bytes [start, end). */
  slice(start: number, end: number): Promise<ArrayBuffer>;
  /** All bytes, in order. */
  stream(): Promise<AsyncIterable<Uint8Array>>;
}

/** A file on disk. @throws FastvError `io` if it cannot be read */
export async function localFile(path: string, name = path): Promise<DataFile> {
  const { size } = await orIo(path, stat(path));
  return {
    name,
    size,
    async slice(start, end) {
      const handle = await orIo(path, open(path));
      try {
        const length = Math.max(0, Math.min(end, size) - start);
        const bytes = new Uint8Array(length);
        let at = 0;
        while (at < length) {
          const { bytesRead } = await handle.read(bytes, at, length - at, start + at);
          if (bytesRead === 0)
            throw new FastvError('io', 'the file became shorter while it was read', { where: path });
          at += bytesRead;
        }
        return bytes.buffer;
      } finally {
        await handle.close();
      }
    },
    stream: () => Promise.resolve(createReadStream(path)),
  };
}

/** What `remoteFile` needs to know. `fetch` can be replaced to count or forbid requests. */
export interface RemoteOptions {
  readonly fetch?: typeof fetch;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds that one request may take before it is given up. */
  readonly timeout?: number;
}

/** A file on an HTTP server that answers range requests. @throws FastvError `io` if it does not */
export function remoteFile(url: string, size: number, name: string, options: RemoteOptions = {}): DataFile {
  const { fetch: get = fetch, headers = {}, timeout = 120_000 } = options;
  const request = async (range?: string): Promise<Response> => {
    const response = await orIo(
      name,
      get(url, {
        headers: { ...headers, ...(range === undefined ? {} : { range }) },
        signal: AbortSignal.timeout(timeout),
      }),
    );
    if (response.status !== (range === undefined ? 200 : 206)) {
      await response.body?.cancel();
      throw new FastvError('io', `the server answered ${response.status}`, {
        where: name,
        ...(response.status === 401 || response.status === 403
          ? { hint: 'the dataset may ask for a licence to be accepted: set HF_TOKEN' }
          : {}),
      });
    }
    return response;
  };
  return {
    name,
    size,
    async slice(start, end) {
      const last = Math.min(end, size) - 1;
      if (last < start) return new ArrayBuffer(0);
      const response = await request(`bytes=${start}-${last}`);
      const bytes = await orIo(name, response.arrayBuffer());
      if (bytes.byteLength !== last - start + 1) {
        throw new FastvError('io', `${last - start + 1} bytes were asked for, ${bytes.byteLength} came`, {
          where: name,
        });
      }
      return bytes;
    },
    async stream() {
      const { body } = await request();
      if (body === null) throw new FastvError('io', 'the server sent no body', { where: name });
      return Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
    },
  };
}

/** The promise's value; what it rejects with becomes a typed error. */
export async function orIo<T>(where: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof FastvError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new FastvError('io', `cannot read: ${message}`, { where, cause: error });
  }
}
