import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import {
  concatChunks,
  create,
  decodeModel,
  encodeModel,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
} from '../onnx/index.js';
import { graphStrategy } from '../strategies/index.js';
import { rewriteFile } from './decoder-file.js';
import type { RewriteRequest } from './plug.js';
import { clearRewrites, listRewrites } from './rewrite-cache.js';

let folder = '';
let warnings: string[] = [];
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'fastv-decoder-file-')));
  await mkdir(at('onnx'));
  await mkdir(at('cache'), { mode: 0o700 });
  vi.stubEnv('FASTV_CACHE', at('cache'));
  warnings = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const at = (...parts: string[]): string => join(folder, ...parts);
const TOY = toyDecoder({ ...toyFamily('gqa').config, layers: 3 }).bytes;
const DECODER = 'decoder_model_merged.onnx';

/** The plain layout: a decoder in its folder. */
async function plain(): Promise<string> {
  await writeFile(at('onnx', DECODER), TOY);
  return at('onnx', DECODER);
}

/** Loads the rewritten decoder, in ONNX Runtime too. @returns its graph */
async function load(path: string, more: Partial<RewriteRequest> = {}): Promise<Uint8Array> {
  const warn = (message: string, kind: string): void => void warnings.push(`${kind}: ${message}`);
  const request = { layers: [1], strategy: graphStrategy('attention'), cache: true, warn, ...more };
  const { model, options } = await rewriteFile(path, {}, request);
  if (typeof model === 'string') throw new Error('the graph is loaded from memory');
  const session = await InferenceSession.create(model, options);
  expect(session.inputNames).toContain('image_token_mask');
  await session.release();
  return model;
}

async function kept(place = 'onnx'): Promise<string[]> {
  return (await readdir(at(place))).filter((name) => name.includes('.fastv-')).map((name) => at(place, name));
}

describe('a rewritten decoder that was kept', () => {
  it('is loaded again, and is small', async () => {
    const path = await plain();
    const first = await load(path);
    const [file = ''] = await kept();
    expect((await stat(file)).size).toBeLessThan(TOY.length / 2);
    await utimes(file, 1, 1);
    expect(await load(path)).toEqual(first);
    expect((await stat(file)).mtimeMs).toBe(1000);
    expect(warnings).toEqual([]);
  });

  it.each([
    ['cut short', (graph: Uint8Array) => graph.subarray(0, graph.length / 2)],
    ['empty', () => new Uint8Array()],
    ['garbage', () => new Uint8Array(1000).fill(7)],
    ['the original', () => TOY],
    ['changed in one byte', (graph: Uint8Array) => graph.map((byte, i) => (i === 2000 ? byte ^ 1 : byte))],
  ])('and is now %s is made again', async (_, damage) => {
    const path = await plain();
    const graph = await load(path);
    const [file = ''] = await kept();
    await writeFile(file, damage(graph));
    expect(await load(path)).toEqual(graph);
    expect(new Uint8Array(await readFile(file))).toEqual(graph);
  });

  it('is not believed for its name: planted by somebody else, as a file or a link, it is made again', async () => {
    const path = await plain();
    const graph = await load(path);
    const [file = ''] = await kept();
    const strange = await load(path, { layers: [2], cache: false });
    await writeFile(at('strange.onnx'), strange);
    // who plants it knows the name, not the user's notes
    await rm(at('cache', 'rewrites'), { recursive: true });
    await writeFile(file, strange);
    expect(await load(path)).toEqual(graph);
    await rm(file);
    await symlink(at('strange.onnx'), file);
    expect(await load(path)).toEqual(graph);
    expect((await stat(file)).isFile()).toBe(true);
    expect(new Uint8Array(await readFile(at('strange.onnx')))).toEqual(strange);
  });

  it('is believed by the user’s own notes only', async () => {
    const path = await plain();
    const graph = await load(path);
    const [file = ''] = await kept();
    for (const name of await readdir(at('cache', 'rewrites'))) {
      await writeFile(at('cache', 'rewrites', name), '{"path": 7');
    }
    await writeFile(file, 'x');
    expect(await load(path)).toEqual(graph);
  });

  it.skipIf(process.platform === 'win32')(
    'is neither kept nor believed where others may write notes',
    async () => {
      const path = await plain();
      const graph = await load(path);
      await chmod(at('cache', 'rewrites'), 0o777);
      expect(await load(path)).toEqual(graph);
      expect(warnings).toEqual([expect.stringMatching(/^not-cached: .*written to by others .*rewrites/)]);
      await chmod(at('cache', 'rewrites'), 0o700);
    },
  );

  it('is made and kept once by many at the same time', async () => {
    const path = await plain();
    const graphs = await Promise.all(Array.from({ length: 8 }, () => load(path)));
    for (const graph of graphs) expect(graph).toEqual(graphs[0]);
    expect(await readdir(at('onnx'))).toHaveLength(2);
    expect(warnings).toEqual([]);
  });

  it('is listed, and cleared', async () => {
    const path = await plain();
    await load(path);
    await load(path, { layers: [2] });
    const files = await kept();
    expect((await listRewrites()).map((rewrite) => rewrite.path).sort()).toEqual(files);
    await rm(files[0] ?? '');
    expect((await listRewrites()).map((rewrite) => rewrite.path)).toEqual(files.slice(1));
    const cleared = await clearRewrites();
    expect(cleared).toEqual([
      expect.objectContaining({ path: files[1], bytes: expect.any(Number) as number }),
    ]);
    expect([await kept(), await listRewrites(), await readdir(at('cache', 'rewrites'))]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it('makes room: of one decoder the newest stay, and nothing of other names goes', async () => {
    const path = await plain();
    const name = (n: number): string => `decoder_model_merged.fastv-${String(n).padStart(16, '0')}.onnx`;
    for (let n = 0; n < 40; n++) {
      await writeFile(at('onnx', name(n)), '');
      await utimes(at('onnx', name(n)), n, n);
    }
    const others = [
      'decoder_model_merged.fastv-mine.onnx',
      'decoder_model_merged_q4.fastv-0000000000000000.onnx',
    ];
    for (const other of others) await writeFile(at('onnx', other), '');
    await load(path);
    const left = (await kept()).map((file) => basename(file));
    expect(left).toHaveLength(16 + others.length);
    expect(left).toEqual(expect.arrayContaining([...others, name(39)]));
    expect(left).not.toContain(name(0));
  });
});

describe('a decoder in a hub’s cache, whose files are links to blobs', () => {
  /** Files as the hub's cache has them. */
  async function hub(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
    await mkdir(at('hub', 'blobs'), { recursive: true });
    await mkdir(at('hub', 'snapshots', 'abc', 'onnx'), { recursive: true });
    for (const [i, [name, bytes]] of Object.entries(files).entries()) {
      await writeFile(at('hub', 'blobs', `b${i}`), bytes);
      await symlink(`../../../blobs/b${i}`, at('hub', 'snapshots', 'abc', 'onnx', name));
    }
    return at('hub', 'snapshots', 'abc', 'onnx', DECODER);
  }

  it.each([true, false])('loads, with cache: %s, and its weights are not copied', async (cache) => {
    const path = await hub({ [DECODER]: TOY });
    expect((await load(path, { cache })).length).toBeLessThan(TOY.length / 2);
    expect(await readdir(at('hub', 'snapshots', 'abc', 'onnx'))).toEqual([DECODER]);
    expect((await kept(cache ? 'cache/graphs' : 'cache')).length).toBe(cache ? 1 : 0);
    if (cache)
      expect((await listRewrites()).map((rewrite) => rewrite.path)).toEqual(await kept('cache/graphs'));
    expect(warnings).toEqual([]);
  });

  it.each([true, false])('loads with its weights in a data file, cache: %s', async (cache) => {
    const { graph, data } = split(`${DECODER}_data`);
    const path = await hub({ [DECODER]: graph, [`${DECODER}_data`]: data });
    await load(path, { cache });
    await load(path, { cache });
    // the same graph with other weights, as a later commit of the repository has them
    const next = at('hub', 'snapshots', 'def', 'onnx');
    await cp(at('hub', 'snapshots', 'abc'), at('hub', 'snapshots', 'def'), {
      recursive: true,
      verbatimSymlinks: true,
    });
    await rm(join(next, `${DECODER}_data`));
    await writeFile(
      at('hub', 'blobs', 'later'),
      data.map(() => 0),
    );
    await symlink('../../../blobs/later', join(next, `${DECODER}_data`));
    const later = decodeModel(await load(join(next, DECODER), { cache }));
    const locations = later.graph.initializer.flatMap(({ externalData }) =>
      externalData.map(({ value }) => value),
    );
    expect(locations).toContain('blobs/later');
    expect(warnings).toEqual([]);
  });

  it('is refused where its weights are a link to somewhere else', async () => {
    const { graph, data } = split('weights');
    const path = await hub({ [DECODER]: graph });
    await mkdir(at('home'));
    await writeFile(at('home', 'secret'), data);
    await symlink(at('home', 'secret'), at('hub', 'snapshots', 'abc', 'onnx', 'weights'));
    for (const cache of [true, false]) {
      await expect(load(path, { cache })).rejects.toMatchObject({
        code: 'external-data',
        message: expect.stringMatching(/a link that leads outside/) as string,
        where: at('hub', 'snapshots', 'abc', 'onnx', 'weights'),
      });
    }
  });

  /** The toy with its large weights in a file of their own. */
  function split(location: string): { graph: Uint8Array; data: Uint8Array } {
    const model = decodeModel(TOY);
    const parts: Uint8Array[] = [];
    let offset = 0;
    for (const tensor of model.graph.initializer) {
      const { rawData } = tensor;
      if (rawData.length < 1024) continue;
      const entries = { location, offset: String(offset), length: String(rawData.length) };
      tensor.externalData = Object.entries(entries).map(([key, value]) =>
        create(StringStringEntryProtoSchema, { key, value }),
      );
      tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
      parts.push(rawData);
      tensor.rawData = new Uint8Array();
      offset += rawData.length;
    }
    return { graph: concatChunks(encodeModel(model)), data: concatChunks(parts) };
  }
});

describe('a decoder file', () => {
  it('that is no model is refused with its name', async () => {
    await writeFile(at('onnx', DECODER), 'no model');
    const path = at('onnx', DECODER);
    await expect(load(path)).rejects.toMatchObject({ code: 'malformed-model', where: path });
    await writeFile(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n');
    await expect(load(path)).rejects.toMatchObject({
      where: path,
      hint: expect.stringMatching(/git lfs pull/) as string,
    });
  });
});
