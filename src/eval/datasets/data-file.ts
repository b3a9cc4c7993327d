/** A file of a dataset, on disk or on a server: its bytes can be had in pieces, so none is held whole. */
import { closeSync, read } from 'node:fs';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { FastvError } from '../../errors.js';
import { ATTEMPTS, bodyOf, endedEarly, isCut } from '../../files/http.js';
import { openRegular, streamRegular } from '../../files/read.js';
import { isLfsPointer, LFS_HINT } from '../../lfs-pointer.js';

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
  const { size } = await refusePointer(path);
  return {
    name,
    size,
    async slice(start, end) {
      const { fd } = openRegular(path);
      try {
        const length = Math.max(0, Math.min(end, size) - start);
        const bytes = new Uint8Array(length);
        let at = 0;
        while (at < length) {
          const { bytesRead } = await orIo(path, readAt(fd, bytes, at, length - at, start + at));
          if (bytesRead === 0)
            throw new FastvError('io', 'the file became shorter while it was read', { where: path });
          at += bytesRead;
        }
        return bytes.buffer;
      } finally {
        closeSync(fd);
      }
    },
    stream: () => Promise.resolve(streamRegular(path)),
  };
}

const readAt = promisify(read);

/** Looks at a file: it must be one, and not the pointer of Git LFS in the place of one. */
async function refusePointer(path: string): Promise<{ size: number }> {
  const { fd, size } = openRegular(path);
  try {
    const head = new Uint8Array(64);
    await orIo(path, readAt(fd, head, 0, head.length, 0));
    if (!isLfsPointer(head)) return { size };
  } finally {
    closeSync(fd);
  }
  throw new FastvError('io', 'this is a pointer of Git LFS, not the data', { where: path, hint: LFS_HINT });
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
      const wanted = last - start + 1;
      for (let attempt = 1; ; attempt++) {
        const response = await request(`bytes=${start}-${last}`);
        try {
          const bytes = await orIo(name, bodyOf(response, wanted, name));
          if (bytes.byteLength === wanted) return bytes.buffer;
          throw cutAt(name, wanted, bytes.byteLength);
        } catch (error) {
          if (attempt === ATTEMPTS || !isCut(error)) throw error;
        }
      }
    },
    async stream() {
      const first = await request();
      return (async function* (): AsyncGenerator<Uint8Array> {
        let response = first;
        let length = 0;
        for (let attempt = 1; ; attempt++) {
          try {
            for await (const chunk of piecesOf(response, size - length, name)) {
              length += chunk.length;
              yield chunk;
            }
            if (length === size) return;
            throw cutAt(name, size, length);
          } catch (error) {
            if (attempt === ATTEMPTS || !isCut(error)) throw error;
          }
          response = await request(`bytes=${length}-`);
        }
      })();
    },
  };
}

function cutAt(where: string, wanted: number, came: number): FastvError {
  const hint = 'The connection was cut; the same command goes on where it was.';
  const cause = endedEarly();
  return new FastvError('io', `${wanted} bytes were asked for, ${came} came`, { where, hint, cause });
}

/** An answer's bytes as they come. @throws {FastvError} `io` for more than agreed, or where the connection breaks */
async function* piecesOf({ body }: Response, most: number, where: string): AsyncGenerator<Uint8Array> {
  if (body === null) throw new FastvError('io', 'the server sent no body', { where });
  const pieces = atMost(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), most, where);
  try {
    for (;;) {
      const next = await orIo(where, pieces.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await pieces.return(undefined);
  }
}

async function* atMost(
  stream: AsyncIterable<Uint8Array>,
  most: number,
  where: string,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > most) throw new FastvError('io', `the server sends more than ${most} bytes`, { where });
    yield chunk;
  }
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
