// A server on this machine that speaks the hub's URLs, with the hub's ways to fail.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative, sep } from 'node:path';

/** What a request gets in place of an answer; undefined answers it. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A running mirror. */
export interface Mirror {
  readonly endpoint: string;
  /** Paths that were asked for, with the ranges. */
  readonly requests: { readonly path: string; readonly range?: string; readonly authorization?: string }[];
  /** Looked at before each answer. */
  fault: Fault | undefined;
  close(): Promise<void>;
}

/** Files beyond this size are listed as the hub lists large ones, with a SHA-256. */
const LARGE = 100_000;

/**
 * Serves a folder as a model, or as a dataset.
 * @param name its name, `<owner>/<name>`
 */
export async function hubMirror(
  name: string,
  folder: string,
  kind: 'models' | 'datasets' = 'models',
): Promise<Mirror> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(folder, path).split(sep).join('/'), path);
  }
  const requests: Mirror['requests'] = [];
  const mirror: { fault: Fault | undefined } = { fault: undefined };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://mirror');
    const { range, authorization } = request.headers;
    requests.push({
      path: pathname,
      ...(range === undefined ? {} : { range }),
      ...(authorization === undefined ? {} : { authorization }),
    });
    if (mirror.fault?.(request, response) === true) return;
    if (pathname.startsWith(`/api/${kind}/${name}/tree/`)) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(await Promise.all([...files].map(listed))));
      return;
    }
    if (pathname === `/api/${kind}/${name}`) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ id: name, gated: 'auto' }));
      return;
    }
    const prefix = `${kind === 'models' ? '' : '/datasets'}/${name}/resolve/main/`;
    const path = pathname.startsWith(prefix) ? files.get(pathname.slice(prefix.length)) : undefined;
    if (path === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
      return;
    }
    const { size } = await stat(path);
    const [, from = 0, to = size - 1] = /^bytes=(\d+)-(\d+)?$/u.exec(range ?? '') ?? [];
    const [start, end] = [Number(from), Number(to)];
    response.writeHead(range === undefined ? 200 : 206, {
      'content-length': end + 1 - start,
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
    });
    createReadStream(path, { start, end }).pipe(response);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(mirror, {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  });
}

/** An entry of `api/models/<name>/tree`, which datasets have alike. */
async function listed([path, file]: readonly [string, string]): Promise<object> {
  const content = await readFile(file);
  const size = content.length;
  const oid = createHash('sha1').update(`blob ${size}\0`).update(content).digest('hex');
  const large = { oid: createHash('sha256').update(content).digest('hex'), size };
  return { type: 'file', path, size, oid, ...(size > LARGE ? { lfs: large } : {}) };
}
