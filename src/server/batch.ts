/**
 * Requests in a file, answers in a file: the form of OpenAI's batches. A line of the input is
 * `{"custom_id", "method": "POST", "url": "/v1/chat/completions", "body"}`, a line of the output `{"id", "custom_id", "response",
 * "error"}`, in the order in which answers come.
 *
 * Killed at any moment and started again, a batch goes on: an answer is on the disk before its request counts as answered, and
 * requests are told apart by their `custom_id`. What could not be answered is written beside, in a file that each run begins
 * anew, and asked again by the next.
 */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { FastvError } from '../errors.js';
import { jsonLines, openLines } from '../eval/files.js';

/** Paths that a request may be for. */
const PATHS = ['/v1/chat/completions', '/v1/responses'];

/** A request. */
export interface BatchRequest {
  readonly custom_id: string;
  readonly url: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** An answer. */
export interface BatchAnswer {
  readonly id: string;
  readonly custom_id: string;
  readonly response: {
    readonly status_code: number;
    readonly request_id: string;
    readonly body: unknown;
  } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** What came of a batch. */
export interface BatchOutcome {
  /** Answered by this run, and by runs before. */
  readonly answered: number;
  readonly before: number;
  readonly failed: number;
  /** False if it was ended before it was through. */
  readonly complete: boolean;
}

/** How a batch is answered. */
export interface BatchOptions {
  /** Files of requests and of answers. */
  readonly input: string;
  readonly output: string;
  /** Answers some requests, in their order. @throws where nothing could be answered: all of them count as failed */
  readonly answer: (requests: readonly BatchRequest[]) => Promise<readonly BatchAnswer[]>;
  /** Requests that are given to `answer` together, and calls of it at once. */
  readonly portion: number;
  readonly concurrency: number;
  /** Ends the batch after the requests that are out. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (outcome: BatchOutcome) => void;
}

/** Where requests are written that were not answered. */
export function failuresFile(output: string): string {
  return `${output.replace(/\.jsonl$/u, '')}.errors.jsonl`;
}

/**
 * Answers a file of requests, or the rest of it.
 * @throws FastvError `invalid-input` naming the line for a request that is none, or whose `custom_id` is there twice; `io`
 */
export async function runBatch(options: BatchOptions): Promise<BatchOutcome> {
  const { input, output, answer, portion, concurrency, signal, onProgress } = options;
  const known = new Set<string>();
  const answers = await openLines(output, ({ value }) => {
    known.add(idOf(value));
  });
  await rm(failuresFile(output), { force: true });
  const failures = await openLines(failuresFile(output));
  const count = { answered: 0, before: known.size, failed: 0 };
  const outcome = (): BatchOutcome => ({ ...count, complete: signal?.aborted !== true });
  const running = new Set<Promise<void>>();
  const broken: Error[] = [];
  const ask = async (requests: readonly BatchRequest[]): Promise<void> => {
    const all = await answer(requests).catch((error: unknown) =>
      requests.map((request) => failed(request, error)),
    );
    const [good, bad] = [all.filter(isAnswered), all.filter((one) => !isAnswered(one))];
    await answers.append(good);
    await failures.append(bad);
    count.answered += good.length;
    count.failed += bad.length;
    onProgress?.(outcome());
  };
  const give = async (requests: readonly BatchRequest[]): Promise<void> => {
    const one = ask(requests)
      .catch((error: unknown) => {
        broken.push(error instanceof Error ? error : new Error(String(error)));
      })
      .finally(() => running.delete(one));
    running.add(one);
    if (running.size >= concurrency) await Promise.race(running);
    if (broken[0] !== undefined) throw broken[0];
  };
  try {
    const seen = new Set<string>();
    let next: BatchRequest[] = [];
    for await (const { value, line } of jsonLines(input)) {
      const request = requestOf(value, `${input}, line ${line}`);
      const { custom_id: id } = request;
      if (seen.has(id))
        throw wrong(`two requests are called ${JSON.stringify(id)}`, `${input}, line ${line}`);
      seen.add(id);
      if (known.has(id)) continue;
      next.push(request);
      if (next.length < portion) continue;
      if (signal?.aborted === true) break;
      await give(next);
      next = [];
    }
    if (next.length > 0 && signal?.aborted !== true) await give(next);
    await Promise.all(running);
    if (broken[0] !== undefined) throw broken[0];
    return outcome();
  } finally {
    await Promise.allSettled(running);
    await answers.close();
    await failures.close();
    if (count.failed === 0) await rm(failuresFile(output), { force: true });
  }
}

/**
 * Answers one request by the routes of a server.
 * @param fetch a server's handler
 * @param model that is asked where the request names none
 */
export async function answerRequest(
  fetch: (request: Request) => Response | Promise<Response>,
  request: BatchRequest,
  model?: string,
): Promise<BatchAnswer> {
  const { custom_id, url, body } = request;
  const response = await fetch(
    new Request(new URL(url, 'http://localhost'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...(model === undefined ? {} : { model }), ...body }),
    }),
  );
  const request_id = response.headers.get('x-request-id') ?? '';
  return {
    ...{ id: answerId(request), custom_id, error: null },
    response: { status_code: response.status, request_id, body: await response.json() },
  };
}

function failed(request: BatchRequest, error: unknown): BatchAnswer {
  const message = error instanceof Error ? error.message : String(error);
  return {
    ...{ id: answerId(request), custom_id: request.custom_id, response: null },
    error: { code: 'server_error', message },
  };
}

function isAnswered({ response }: BatchAnswer): boolean {
  return response?.status_code === 200;
}

function answerId(request: BatchRequest): string {
  return `batch_req_${createHash('sha256').update(JSON.stringify(request)).digest('hex').slice(0, 24)}`;
}

function idOf(value: unknown): string {
  return (value as Partial<BatchAnswer> | null)?.custom_id ?? '';
}

function requestOf(value: unknown, where: string): BatchRequest {
  const { custom_id, method, url, body } = (
    typeof value === 'object' && value !== null ? value : {}
  ) as Record<string, unknown>;
  if (typeof custom_id !== 'string' || custom_id === '') throw wrong('a request needs a custom_id', where);
  if (method !== undefined && method !== 'POST') throw wrong('the method of a request is POST', where);
  if (typeof url !== 'string' || !PATHS.includes(url))
    throw wrong(`the url of a request is one of ${PATHS.join(', ')}`, where);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw wrong('the body of a request is an object', where);
  const asked = body as Readonly<Record<string, unknown>>;
  if (asked['stream'] === true) throw wrong('an answer in a file cannot be streamed', where);
  return { custom_id, url, body: asked };
}

function wrong(message: string, where: string): FastvError {
  return new FastvError('invalid-input', message, {
    where,
    hint: '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": […]}}',
  });
}
