// Answers of servers: no more of one is read than was agreed, a list goes on at the same server only, and a connection that
// broke is told from any other fault.
import { FastvError } from '../errors.js';

/** Times that a connection that was cut is taken up again. */
export const ATTEMPTS = 5;

/** The system's code of an error, which undici hides one or two causes deep; empty where there is none. */
export function systemCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    if (at.name === 'TimeoutError') return 'UND_ERR_BODY_TIMEOUT';
  }
  return error instanceof TypeError && error.message === 'terminated' ? 'UND_ERR_SOCKET' : '';
}

/** Whether the connection broke, or the server ended it early: what was asked for can be asked for again. */
export function isCut(error: unknown): boolean {
  const code = systemCode(error instanceof FastvError ? error.cause : error);
  const silent = ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT'];
  return code === 'ECONNRESET' || code === 'EPIPE' || (code.startsWith('UND_ERR') && !silent.includes(code));
}

/** Why fewer bytes came than were agreed, as a cause that {@link isCut}. */
export function endedEarly(): Error {
  return Object.assign(new Error('the server ended its answer early'), { code: 'ECONNRESET' });
}

/** The body of an answer, of which no more is read than agreed. @throws {FastvError} `io` if the server sends more */
export async function bodyOf(
  response: Response,
  most: number,
  where: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > most) throw new FastvError('io', `the server sends more than ${most} bytes`, { where });
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * The next page of a list, if it is on the same server: a list may not send us elsewhere.
 * @returns null behind the last one
 * @throws {FastvError} `io` if it is on another
 */
export function nextPage(response: Response, base: string): string | null {
  const next = /<([^>]+)>;\s*rel="next"/u.exec(response.headers.get('link') ?? '')?.[1];
  if (next === undefined) return null;
  const url = URL.canParse(next, base) ? new URL(next, base) : undefined;
  if (url?.origin === new URL(base).origin) return url.href;
  throw new FastvError('io', 'the list goes on at another server', {
    where: (url?.origin ?? next).slice(0, 200),
  });
}

/** Whether a number can be the size of a file. */
export function isFileSize(size: unknown): size is number {
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0;
}
