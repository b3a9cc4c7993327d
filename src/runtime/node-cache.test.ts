import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { keepGraph } from './rewrite-cache.js';
import { cacheSize, clearCache, listCache } from './node-cache.js';

let folder: string;
let cache_dir: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-cache-'));
  cache_dir = join(folder, 'models');
  vi.stubEnv('FASTV_CACHE', join(folder, 'own'));
  for (const [path, bytes] of [
    ['someone/one/config.json', 10],
    ['someone/one/onnx/decoder_model_merged.onnx', 1000],
    ['someone/two/abc/config.json', 20], // by its revision
    ['alone/config.json', 30],
    ['notes/todo.txt', 5],
    ['someone/photos/a.jpg', 7],
  ] as const) {
    await mkdir(dirname(join(cache_dir, path)), { recursive: true });
    await writeFile(join(cache_dir, path), new Uint8Array(bytes));
  }
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

it('lists models by their names, and rewritten decoders, and removes them', async () => {
  const graph = join(cache_dir, 'someone/one/onnx/decoder_model_merged.fastv-0123456789abcdef.onnx');
  await keepGraph(graph, new Uint8Array(100));
  await symlink(join(cache_dir, 'someone/one'), join(cache_dir, 'someone/linked'));
  const rewrite = { kind: 'rewrite', name: graph, bytes: 100, files: 1 };
  const two = { kind: 'model', name: 'someone/two', bytes: 20, files: 1 };
  const alone = { kind: 'model', name: 'alone', bytes: 30, files: 1 };
  const one = { kind: 'model', name: 'someone/one', bytes: 1110, files: 3 };
  const listed = [...(await listCache({ cache_dir }))].sort((a, b) => b.bytes - a.bytes);
  expect(listed).toEqual([one, rewrite, alone, two]);
  expect(await cacheSize({ cache_dir })).toBe(1160);

  expect(await clearCache('someone/one', { cache_dir })).toEqual([one]);
  expect(await clearCache('../own', { cache_dir })).toEqual([]);
  expect(await readdir(join(folder, 'own'))).not.toEqual([]);
  expect(await cacheSize({ cache_dir })).toBe(50);
  await clearCache(undefined, { cache_dir });
  expect(await listCache({ cache_dir })).toEqual([]);
  // what is no model stays
  expect((await readdir(cache_dir)).sort()).toEqual(['notes', 'someone']);
  expect((await readdir(join(cache_dir, 'someone'))).sort()).toEqual(['linked', 'photos']);
});

it('is empty where nothing was ever kept', async () => {
  expect(await listCache({ cache_dir: join(folder, 'none') })).toEqual([]);
  expect(await cacheSize({ cache_dir: join(folder, 'none') })).toBe(0);
});
