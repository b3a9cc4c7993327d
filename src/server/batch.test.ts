import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { answerRequest, failuresFile, runBatch, type BatchOptions, type BatchRequest } from './batch.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-batch-'));
const line = (id: string, part: Record<string, unknown> = {}): string =>
  `${JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/chat/completions', body: { n: id }, ...part })}\n`;

/** A server that answers with what it was asked, and fails at what says so. */
async function echo(request: Request): Promise<Response> {
  const body = (await request.json()) as { n: string };
  const status = body.n.startsWith('bad') ? 400 : 200;
  return Response.json(
    { said: body.n, path: new URL(request.url).pathname },
    { status, headers: { 'x-request-id': 'r1' } },
  );
}

function options(name: string, input: string, part: Partial<BatchOptions> = {}): BatchOptions {
  const file = join(root, `${name}.in.jsonl`);
  writeFileSync(file, input);
  return {
    ...{ input: file, output: join(root, `${name}.jsonl`), portion: 2, concurrency: 2 },
    answer: (requests) => Promise.all(requests.map((request) => answerRequest(echo, request))),
    ...part,
  };
}

const lines = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Record<string, unknown>);
const ids = (path: string): string[] => lines(path).map((one) => String(one['custom_id']));

it('answers in the form of OpenAI’s batches, and writes what failed beside', async () => {
  const batch = options(
    'form',
    `${line('a')}\n${line('bad')}${line('c', { url: '/v1/responses' }).trimEnd()}`,
  );
  expect(await runBatch(batch)).toEqual({ answered: 2, before: 0, failed: 1, complete: true });
  expect(ids(batch.output).sort()).toEqual(['a', 'c']);
  expect(lines(batch.output).find((one) => one['custom_id'] === 'c')).toEqual({
    ...{ id: expect.stringMatching(/^batch_req_/) as string, custom_id: 'c', error: null },
    response: { status_code: 200, request_id: 'r1', body: { said: 'c', path: '/v1/responses' } },
  });
  expect(lines(failuresFile(batch.output))).toMatchObject([
    { custom_id: 'bad', response: { status_code: 400 } },
  ]);
});

it('goes on where it was, asks nothing twice, and what failed again', async () => {
  const asked: string[] = [];
  let broken = true;
  const batch = options('again', ['a', 'b', 'c', 'd', 'e'].map((id) => line(id)).join(''), {
    ...{ portion: 1, concurrency: 1 },
    answer: async ([request]) => {
      asked.push(request?.custom_id ?? '');
      if (request?.custom_id === 'b' && broken) throw new Error('no memory');
      return [await answerRequest(echo, request ?? expect.fail())];
    },
  });
  const stop = new AbortController();
  const ended = await runBatch({
    ...batch,
    signal: stop.signal,
    onProgress: ({ answered }) => {
      if (answered === 2) stop.abort();
    },
  });
  expect(ended).toMatchObject({ complete: false, failed: 1 });
  expect(lines(failuresFile(batch.output))).toMatchObject([
    { custom_id: 'b', error: { message: 'no memory' } },
  ]);
  broken = false;
  const first = asked.splice(0);
  expect(await runBatch(batch)).toMatchObject({ complete: true, failed: 0, before: 2 });
  expect([...first, ...asked].filter((id) => id !== 'b').sort()).toEqual(['a', 'c', 'd', 'e']);
  expect(ids(batch.output).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(existsSync(failuresFile(batch.output))).toBe(false);
});

it.each([
  ['{', 'a line is no JSON', 1],
  [line(''), 'a request needs a custom_id', 1],
  [line('a') + line('a'), 'two requests are called "a"', 2],
  [line('a', { method: 'GET' }), 'POST', 1],
  [line('a', { url: '/v1/embeddings' }), 'one of /v1/chat/completions', 1],
  [line('a', { body: [] }), 'the body', 1],
  [line('a', { body: { stream: true } }), 'cannot be streamed', 1],
])('refuses %s', async (input, message, at) => {
  const answer = (requests: readonly BatchRequest[]) =>
    Promise.all(requests.map((request) => answerRequest(echo, request)));
  await expect(runBatch(options('refused', input, { answer, portion: 9 }))).rejects.toMatchObject({
    code: 'invalid-input',
    message: expect.stringContaining(message) as string,
    where: expect.stringContaining(`line ${at}`) as string,
  });
});
