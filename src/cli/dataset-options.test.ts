// Datasets are fetched as models are: from HF_ENDPOINT, through a proxy, with the token of whoever has logged in.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { runCli } from '../../test/cli.js';
import { hubMirror, type Mirror } from '../../test/hub-mirror.js';
import { httpProxy } from '../../test/proxy.js';
import { openTask } from '../eval/tasks/open-task.js';
import { parseTask } from '../eval/tasks/parse-task.js';
import { datasetOptions } from './dataset-options.js';

const TASK = {
  name: 'own',
  data: { kind: 'repository', repository: 'somebody/questions', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}'],
  answer: { field: 'answer' },
  metric: 'exact-match',
  maxTokens: 4,
};

let mirror: Mirror;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-datasets-'));
  await mkdir(join(folder, 'set', 'data'), { recursive: true });
  const row = { question: 'A dog?', answer: 'yes', image: null };
  await writeFile(join(folder, 'set', 'data', 'test.jsonl'), JSON.stringify(row));
  await writeFile(join(folder, 'task.json'), JSON.stringify(TASK));
  await writeFile(join(folder, 'token'), 'hf_secret\n');
  mirror = await hubMirror('somebody/questions', join(folder, 'set'), 'datasets');
});
afterAll(async () => {
  await mirror.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  mirror.fault = undefined;
  mirror.requests.length = 0;
  vi.stubEnv('HF_ENDPOINT', mirror.endpoint);
  vi.stubEnv('HF_HOME', folder);
  vi.stubEnv('HF_TOKEN', '');
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'NO_PROXY', 'no_proxy'])
    vi.stubEnv(name, '');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** The prompts of the task. */
async function prompts(): Promise<string[]> {
  const task = openTask(parseTask(JSON.stringify(TASK), 'task.json'), datasetOptions({ allowNetwork: true }));
  const found: string[] = [];
  for await (const { prompt } of task.samples()) found.push(prompt);
  await task.close();
  return found;
}

it('from HF_ENDPOINT, with the token that is on this machine', async () => {
  expect(await prompts()).toEqual(['A dog?']);
  expect(mirror.requests.length).toBeGreaterThan(1);
  expect(new Set(mirror.requests.map(({ authorization }) => authorization))).toEqual(
    new Set(['Bearer hf_secret']),
  );
});

it('through the proxy that the environment names', async () => {
  const proxy = await httpProxy();
  try {
    vi.stubEnv('HTTP_PROXY', proxy.url);
    const warned = vi.spyOn(process, 'emitWarning');
    expect(await prompts()).toEqual(['A dog?']);
    expect(warned).not.toHaveBeenCalled();
    expect(new Set(proxy.hosts)).toEqual(new Set([new URL(mirror.endpoint).host]));
  } finally {
    await proxy.close();
  }
});

it.each(['whose end is announced', 'whose end is not'])(
  'on from where a connection was cut, %s',
  async (kind) => {
    const rows = Array.from({ length: 400 }, (_, i) => ({
      question: `Is it ${i}?`,
      answer: 'yes',
      image: null,
    }));
    const file = join(folder, 'set', 'data', 'test.jsonl');
    const whole = await readFile(file);
    const content = Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n'));
    await writeFile(file, content);
    try {
      mirror.fault = ({ url, headers }, response) => {
        if (url?.endsWith('.jsonl') !== true || headers.range !== undefined) return false;
        const half = content.subarray(0, content.length / 2);
        if (kind === 'whose end is not') response.end(half);
        else {
          response.writeHead(200, { 'content-length': content.length });
          response.write(half, () => response.destroy());
        }
        return true;
      };
      expect(await prompts()).toEqual(rows.map(({ question }) => question));
      const ranges = mirror.requests.flatMap(({ range }) => (range === undefined ? [] : [range]));
      expect(ranges.length).toBeGreaterThan(0);
      expect(
        ranges.every((range) => /^bytes=[1-9]\d*-$/u.test(range) || kind === 'whose end is announced'),
      ).toBe(true);
    } finally {
      await writeFile(file, whole);
    }
  },
);

it('ends, where it is cut again and again, with one line', async () => {
  mirror.fault = ({ url }, response) => {
    if (url?.endsWith('.jsonl') !== true) return false;
    response.destroy();
    return true;
  };
  await expect(prompts()).rejects.toMatchObject({ code: 'io', hint: expect.any(String) as unknown });
});

it('not at all with HF_HUB_OFFLINE', async () => {
  vi.stubEnv('HF_HUB_OFFLINE', '1');
  await expect(prompts()).rejects.toMatchObject({ code: 'io' });
  expect(mirror.requests).toEqual([]);
});

it.each([
  [401, {}, /no such dataset, or it is private or gated/u, /may not read it/u],
  [403, { 'x-error-code': 'GatedRepo' }, /the dataset is gated/u, /\/datasets\/somebody\/questions/u],
  [404, {}, /no such dataset/u, /check the name/u],
  [429, { 'retry-after': '7' }, /so many requests/u, /Wait 7 s/u],
  [502, {}, /the hub is failing \(502\)/u, /Try again later/u],
] as [number, Record<string, string>, RegExp, RegExp][])(
  'says what %i means, in one line',
  async (status, headers, message, hint) => {
    mirror.fault = (_, response) => {
      response.writeHead(status, headers).end();
      return true;
    };
    const argv = ['--task-file', join(folder, 'task.json'), '--allow-network', '--limit', '1'];
    const { code, err } = await runCli('eval', ...argv, '--quiet', '--output', join(folder, `run-${status}`));
    expect(code).toBe(1);
    const [first, where, what] = err.trimEnd().split('\n').slice(-3);
    expect(first).toMatch(message);
    expect(where).toBe('  where: somebody/questions');
    expect(what).toMatch(hint);
  },
);
