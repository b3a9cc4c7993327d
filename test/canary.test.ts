// Hostile input at every door for files, with an outside that must never be touched: a canary file, whose content must
// appear nowhere, and a canary port, which nobody may ask. Each input is made from a seed; FASTV_CANARY says how many
// there are. Each ends in a result or a FastvError, within its time.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FastvError } from '../src/errors.js';
import { resolveSplit } from '../src/eval/datasets/hub.js';
import { readPicture } from '../src/eval/datasets/picture.js';
import { readRows } from '../src/eval/datasets/read.js';
import type { Row } from '../src/eval/datasets/row.js';
import { readFrames } from '../src/eval/datasets/video.js';
import { parseTask } from '../src/eval/tasks/parse-task.js';
import { readModelFile, writeModelFile } from '../src/files/model-file.js';
import { readText } from '../src/files/read.js';
import { loadMedia } from '../src/media/load.js';
import { Random } from '../src/scenes/random.js';
import { parquetBytes } from './eval/parquet-fixture.js';
import { toyDecoder } from './toy/decoder.js';
import { toyFamily } from './toy/families.js';

const COUNT = Number(process.env['FASTV_CANARY'] ?? 150);
/** Milliseconds for one input; a busy machine gets more than the five seconds that are promised. */
const TIME = 15_000;
const SECRET = `canary-${createHash('sha256').update('the file outside').digest('hex')}`;

const root = mkdtempSync(join(tmpdir(), 'fastv-canary-'));
const outside = join(root, 'outside');
const inside = join(root, 'inside');
const hasFfmpeg = ['ffmpeg', 'ffprobe'].every((name) => spawnSync(name, ['-version']).status === 0);
const seeds: Buffer[] = [];
let asked = 0;
let server: Server;
let port = 0;

beforeAll(async () => {
  for (const folder of [outside, inside]) mkdirSync(folder);
  server = createServer((_, response) => {
    asked++;
    response.end(SECRET);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ({ port } = server.address() as AddressInfo);
  // the canary is a text, and a picture of a colour that nothing inside has
  writeFileSync(join(outside, 'canary.txt'), SECRET.repeat(100));
  const canary = { create: { width: 8, height: 8, channels: 3, background: '#123456' } } as const;
  writeFileSync(join(outside, 'canary.png'), await sharp(canary).png().toBuffer());
  const white = { create: { width: 8, height: 8, channels: 3, background: '#ffffff' } } as const;
  for (const format of ['png', 'jpeg', 'webp', 'gif', 'avif'] as const) {
    seeds.push(await sharp(white).toFormat(format).toBuffer());
  }
});
afterAll(() => {
  server.close();
  rmSync(root, { recursive: true });
});

/** Bytes of a seed with some of them changed, cut off or repeated. */
function mutated(random: Random, bytes: Uint8Array): Buffer {
  const result = Buffer.from(bytes);
  for (let n = random.int(12); n > 0; n--) result[random.int(result.length)] = random.int(256);
  const cut = random.int(4) === 0 ? random.int(result.length) : result.length;
  return result.subarray(0, cut);
}

/** Paths and addresses that lead outside, and names that are none. */
function place(random: Random): string {
  const places = [
    '../outside/canary.png',
    '../outside/canary.txt',
    join(outside, 'canary.png'),
    join(outside, 'canary.txt'),
    `file://${outside}/canary.png`,
    `http://127.0.0.1:${port}/canary.png`,
    'link.png',
    'folder/canary.png',
    'a\0b',
    'n'.repeat(300),
    '..\\outside\\canary.png',
    '/dev/zero',
    '/proc/self/environ',
    '.',
    '',
  ];
  return places[random.int(places.length)] ?? '';
}

/** A file that is to be read as a picture, a film, a model or a table, and may be a playlist or a link. */
function write(random: Random, name: string, links = true): string {
  const path = join(inside, name);
  rmSync(path, { recursive: true, force: true });
  const url = random.int(2) === 0 ? `http://127.0.0.1:${port}/x` : join(outside, 'canary.txt');
  const texts = [
    `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${url}\n#EXT-X-ENDLIST\n`,
    `ffconcat version 1.0\nfile '${url}'\n`,
    `<svg xmlns="http://www.w3.org/2000/svg"><image href="${url}" width="9" height="9"/></svg>`,
    `<!DOCTYPE x [<!ENTITY e SYSTEM "${url}">]><svg xmlns="http://www.w3.org/2000/svg"><text>&e;</text></svg>`,
    `<MPD><Period><AdaptationSet><Representation id="0"><BaseURL>${url}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
    'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n',
    JSON.stringify({ image: place(random), question: place(random), nested: [[[place(random)]]] }),
    '['.repeat(random.int(5000)),
  ];
  const kind = random.int(4) + (links ? 0 : 1);
  if (kind === 0) symlinkSync(random.int(2) === 0 ? join(outside, 'canary.png') : '/dev/zero', path);
  else if (kind === 1) writeFileSync(path, texts[random.int(texts.length)] ?? '');
  else writeFileSync(path, mutated(random, seeds[random.int(seeds.length)] ?? Buffer.alloc(0)));
  return path;
}

const rowOf = (index: number): Row => ({ file: 'rows.jsonl', index, fields: {} });

/** Every door for files: what is tried with a seed, and what came of it. */
const doors: Readonly<Record<string, (random: Random, seed: number) => Promise<unknown>>> = {
  'a picture of a row': async (random, seed) => {
    write(random, 'a.png');
    const value = [place(random), 'a.png', { path: place(random) }, { bytes: null, path: 'a.png' }];
    return readPicture(rowOf(seed), 'image', value[random.int(value.length)], inside);
  },
  'a video of a row': async (random, seed) => {
    const extension = hasFfmpeg && random.int(4) === 0 ? 'mp4' : 'gif';
    write(random, `v.${extension}`);
    return readFrames(rowOf(seed), 'video', random.int(2) === 0 ? 'v' : place(random), 2, inside);
  },
  'a picture on the command line': async (random) =>
    loadMedia(random.int(4) === 0 ? `http://127.0.0.1:${port}/a.png` : write(random, 'c.png', false)),
  'a folder of frames': async (random) => {
    const frames = join(inside, 'frames');
    rmSync(frames, { recursive: true, force: true });
    mkdirSync(frames);
    for (let i = 0; i < 3; i++) write(random, `frames/${i}.png`);
    return loadMedia(frames);
  },
  'a table': async (random) => {
    const kinds = ['jsonl', 'json', 'arrow', 'parquet'] as const;
    const kind = kinds[random.int(kinds.length)] ?? 'json';
    const folder = join(inside, 'own', 'set');
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    const path = write(random, `own/set/test.${kind}`);
    if (kind === 'parquet' && random.int(2) === 0) {
      rmSync(path, { force: true });
      writeFileSync(path, mutated(random, parquetBytes({ a: 'string' }, [{ a: 'x' }, { a: 'y' }])));
    }
    const rows: unknown[] = [];
    for (const file of await resolveSplit('own/set', null, 'test', { folders: [inside] })) {
      for await (const row of readRows(await file.open())) if (rows.push(row) > 1000) break;
    }
    return rows;
  },
  'a decoder and its weights': async (random) => {
    const folder = join(inside, 'model');
    rmSync(folder, { recursive: true, force: true });
    rmSync(join(inside, 'out'), { recursive: true, force: true });
    mkdirSync(folder);
    const path = join(folder, 'model.onnx');
    const { bytes } = toyDecoder({ ...toyFamily('gqa').config, layers: 1 });
    writeFileSync(path, random.int(2) === 0 ? mutated(random, bytes) : bytes);
    const file = await readModelFile(path);
    const [tensor] = file.model.graph.initializer.filter(({ rawData }) => rawData.length > 0);
    if (tensor !== undefined) {
      symlinkSync(join(outside, 'canary.txt'), join(folder, 'weights'));
      const location = random.int(2) === 0 ? 'weights' : place(random);
      const dataFiles = [location];
      await writeModelFile(file.model, join(inside, 'out', 'model.onnx'), { ...file, dataFiles });
    }
    return file.dataFiles;
  },
  // what is named on the command line may be a link: the user named it
  'a task file': async (random) =>
    parseTask(await readText(write(random, 't.json', false), 2 ** 20), 't.json'),
};

describe(`${COUNT} hostile inputs at each door`, () => {
  it.each(Object.entries(doors))(
    '%s',
    async (_, open) => {
      mkdirSync(join(inside, 'folder-target'), { recursive: true });
      for (const [name, target] of [
        ['link.png', join(outside, 'canary.png')],
        ['folder', outside],
      ] as const) {
        rmSync(join(inside, name), { force: true });
        symlinkSync(target, join(inside, name));
      }
      const outsideBefore = readdirSync(outside).sort();
      for (let seed = 0; seed < COUNT; seed++) {
        const start = performance.now();
        let result: unknown;
        try {
          result = await open(new Random(seed), seed);
        } catch (error) {
          if (!(error instanceof FastvError))
            throw new Error(`seed ${seed} ended in no FastvError`, { cause: error });
          result = error.toJSON();
        }
        expect(performance.now() - start, `the time of seed ${seed}`).toBeLessThan(TIME);
        expect(touched(result), `seed ${seed} read what is outside`).toBe(false);
        expect(asked, `seed ${seed} asked the network`).toBe(0);
      }
      expect(readdirSync(outside).sort()).toEqual(outsideBefore);
      expect(contents(inside).some((bytes) => bytes.includes(SECRET))).toBe(false);
    },
    COUNT * TIME,
  );
});

/** Whether a result holds the canary: its text, or its colour. */
function touched(result: unknown): boolean {
  if (typeof result === 'string') return result.includes(SECRET);
  if (result instanceof Uint8Array || result instanceof Uint8ClampedArray) {
    return result[0] === 0x12 && result[1] === 0x34 && result[2] === 0x56;
  }
  if (typeof result !== 'object' || result === null) return false;
  return Object.values(result).some(touched);
}

/** What was written inside, links left out: they were planted, and are not followed. */
function contents(folder: string): Buffer[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
}
