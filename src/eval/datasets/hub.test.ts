import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../scenes/random.js';
import { remoteFile } from './data-file.js';
import { resolveSplit, selectSplit } from './hub.js';
import { parquetBytes } from '../../../test/eval/parquet-fixture.js';
import { readRows } from './read.js';
import type { Row } from './row.js';

const noise = (i: number): Uint8Array => {
  const random = new Random(i);
  return new Uint8Array(Uint32Array.from({ length: 40_000 }, () => random.next()).buffer);
};
const shard = (from: number): Uint8Array =>
  parquetBytes(
    { id: 'int64', raw: 'bytes' },
    Array.from({ length: 8 }, (_, i) => ({ id: from + i, raw: noise(from + i) })),
    { rowGroupSize: 2 },
  );
const FILES: Record<string, Uint8Array> = {
  'data/test-00000-of-00002.parquet': shard(0),
  'data/test-00001-of-00002.parquet': shard(8),
  'data/validation-00000-of-00001.parquet': shard(100),
  'README.md': Buffer.from('# data'),
};

let server: Server;
let endpoint: string;
let sent = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', endpoint);
    const tree = '/api/datasets/own/set/tree/main';
    if (url.pathname === tree) {
      const listed = Object.entries(FILES).map(([path, b]) => ({ type: 'file', path, size: b.length }));
      const second = url.searchParams.has('cursor');
      if (!second) response.setHeader('link', `<${endpoint}${tree}?recursive=true&cursor=x>; rel="next"`);
      response.end(
        JSON.stringify(
          second ? listed.slice(2) : [{ type: 'directory', path: 'data' }, ...listed.slice(0, 2)],
        ),
      );
    } else if (url.pathname === '/api/datasets/own/elsewhere/tree/main') {
      response.setHeader('link', '<http://127.0.0.1:1/more>; rel="next"');
      response.end('[]');
    } else if (url.pathname.startsWith('/datasets/own/set/resolve/main/')) {
      const bytes = FILES[url.pathname.slice('/datasets/own/set/resolve/main/'.length)];
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
      if (bytes === undefined || range === null) return void response.writeHead(404).end();
      const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
      sent += part.length;
      response.writeHead(206).end(part);
    } else response.writeHead(401).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

describe('the hub', () => {
  const options = () => ({ endpoint, allowNetwork: true });

  it('lists a split over pages and streams its shards', async () => {
    const files = await resolveSplit('own/set', null, 'test', options());
    expect(files.map((f) => f.path)).toEqual([
      'data/test-00000-of-00002.parquet',
      'data/test-00001-of-00002.parquet',
    ]);
    const ids: unknown[] = [];
    for (const file of files) {
      for await (const row of readRows(await file.open())) ids.push((row as Row).fields['id']);
    }
    expect(ids).toEqual(Array.from({ length: 16 }, (_, i) => BigInt(i)));
  });

  it('fetches only what is read', async () => {
    const [file] = await resolveSplit('own/set', null, 'test', options());
    sent = 0;
    for await (const row of readRows((await file?.open()) ?? expect.fail())) {
      if ((row as Row).index === 1) break;
    }
    expect(sent).toBeLessThan(0.9 * (FILES['data/test-00000-of-00002.parquet']?.length ?? 0));
  });

  it('asks nobody unless it may', async () => {
    const asked = () => Promise.reject(new Error('the network was used'));
    await expect(resolveSplit('own/set', null, 'test', { endpoint, fetch: asked })).rejects.toThrow(
      /network is not allowed/,
    );
  });

  it('names what is missing', async () => {
    await expect(resolveSplit('own/set', null, 'train', options())).rejects.toThrow(
      /no files of the split train/,
    );
    await expect(resolveSplit('own/gated', null, 'test', options())).rejects.toThrow(/answered 401/);
    await expect(resolveSplit('own/elsewhere', null, 'test', options())).rejects.toThrow(/another server/);
    await expect(resolveSplit('../etc', null, 'test', options())).rejects.toThrow(/<owner>\/<name>/);
    await expect(
      resolveSplit('own/set', null, 'test', { endpoint: 'http://127.0.0.1:9', allowNetwork: true }),
    ).rejects.toMatchObject({ code: 'io' });
  });
});

describe('folders', () => {
  it('finds a dataset under its name, its owner and name, or given itself, before the network', async () => {
    const root = mkdtempSync(join(tmpdir(), 'fastv-hub-'));
    for (const path of [
      'own/set/data/test-00000-of-00001.jsonl',
      'plain/test.jsonl',
      'plain/.cache/test.jsonl',
    ]) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), '{}\n');
    }
    for (const [repository, folder] of [
      ['own/set', root],
      ['any/plain', root],
      ['any/thing', join(root, 'plain')],
    ] as const) {
      expect(await resolveSplit(repository, null, 'test', { folders: [folder] })).toHaveLength(1);
    }
  });
});

describe('a folder that has another dataset', () => {
  const place = (path: string): string => {
    const root = mkdtempSync(join(tmpdir(), 'fastv-other-'));
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), '{}\n');
    return root;
  };
  const MME = 'lmms-lab/MME/data/test.jsonl';
  it.each([
    ['as <owner>/<name>', MME, ''],
    ['as <name>', 'MME/data/test.jsonl', ''],
    ['of the same owner, itself', MME, 'lmms-lab/MME'],
    ['and its owner', MME, 'lmms-lab'],
    ['of which only a part is given', MME, 'lmms-lab/MME/data'],
    ['that is known', 'MME/data/test.jsonl', 'MME'],
    ['under its new owner', 'lmms-lab-encoder/MME/test.jsonl', 'lmms-lab-encoder/MME'],
  ])('%s is not read in the place of the one that is wanted', async (_, path, folder) => {
    const folders = [join(place(path), folder)];
    const others = ['lmms-lab/MME', 'lmms-lab/POPE'];
    await expect(resolveSplit('lmms-lab/POPE', null, 'test', { folders, others })).rejects.toThrow(
      /in none of the given folders/,
    );
    // the one that it is can be read
    expect(await resolveSplit('lmms-lab/MME', null, 'test', { folders, others })).toHaveLength(1);
  });

  it('is found under the name that its owner has now', async () => {
    const folders = [place('lmms-lab-encoder/POPE/data/test.jsonl')];
    expect(await resolveSplit('lmms-lab/POPE', null, 'test', { folders })).toHaveLength(1);
  });
});

describe('a server', () => {
  it('that sends more than was agreed is not listened to', async () => {
    const endless = (): Promise<Response> =>
      Promise.resolve(
        new Response(
          new ReadableStream({
            pull(controller) {
              controller.enqueue(new Uint8Array(2 ** 20));
            },
          }),
          { status: 200 },
        ),
      );
    const options = { endpoint, allowNetwork: true, fetch: endless };
    await expect(resolveSplit('own/set', null, 'test', options)).rejects.toThrow(/sends more than/);
    const partial = async (): Promise<Response> => new Response((await endless()).body, { status: 206 });
    const file = remoteFile('http://x/', 100, 'x', { fetch: partial });
    await expect(file.slice(0, 50)).rejects.toThrow(/sends more than 50 bytes/);
    const whole = remoteFile('http://x/', 100, 'x', { fetch: endless });
    await expect(
      (async () => {
        for await (const chunk of await whole.stream()) expect(chunk.length).toBeLessThan(0);
      })(),
    ).rejects.toThrow(/sends more than 100 bytes/);
  });
});

describe('selectSplit', () => {
  it.each([
    [['data/test-0.parquet', 'data/testdev-0.parquet', 'data/test_open-0.parquet'], null, 'test', 1],
    [['en/dev-0.parquet', 'cn/dev-0.parquet'], 'en', 'dev', 1],
    [['Open-World Game/test_open-00000-of-00001.parquet'], 'Open-World Game', 'test_open', 1],
    [['default/validation/0000.parquet', 'default/validation/0001.parquet'], null, 'validation', 2],
    [['data/val-0.parquet', 'old/val-0.parquet'], null, 'val', 1],
    [['test-00000-of-00001-d306bf3ad53b6618.parquet'], null, 'test', 1],
    [['data/train-0.parquet'], null, 'test', 0],
  ])('of %j: %s/%s', (paths, config, split, count) => {
    expect(selectSplit(paths, config, split)).toHaveLength(count);
  });
  it('asks which, where several configurations have the split', () => {
    expect(() => selectSplit(['a/test-0.parquet', 'b/test-0.parquet'], null, 'test')).toThrow(
      /several configurations/,
    );
  });
});
