// Hostile input at every door, with an outside that must never be touched: a canary file, whose content must
// appear nowhere, and a canary port, which nobody may ask. Each input is made from a seed; FASTV_CANARY says how many
// there are. Each ends in a result or a FastvError, within its time: the processor's, so that a busy machine fails nothing.
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
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UnsupportedFunctionalityError, type LanguageModelV3FilePart } from '@ai-sdk/provider';
import { createFastv } from '../src/ai-sdk/index.js';
import { writeReport } from '../src/analysis/write-report.js';
import { Checkpoint } from '../src/build/checkpoint/checkpoint.js';
import { folderFiles } from '../src/build/checkpoint/files.js';
import { ownMetrics } from '../src/cli/own-metrics.js';
import { strategyFile } from '../src/cli/strategy-file.js';
import { FastvError } from '../src/errors.js';
import type { Answer } from '../src/eval/answerer.js';
import { openAnswerCache } from '../src/eval/answer-cache.js';
import { compareRuns } from '../src/eval/compare-runs.js';
import { resolveSplit } from '../src/eval/datasets/hub.js';
import { readPicture } from '../src/eval/datasets/picture.js';
import { readRows } from '../src/eval/datasets/read.js';
import type { Row } from '../src/eval/datasets/row.js';
import { readFrames } from '../src/eval/datasets/video.js';
import { mergeRuns } from '../src/eval/merge.js';
import { evaluate } from '../src/eval/runner.js';
import { TASKS } from '../src/eval/tasks/index.js';
import { parseTask } from '../src/eval/tasks/parse-task.js';
import { readModelFile, writeModelFile } from '../src/files/model-file.js';
import { checkLocalModel } from '../src/files/model-name.js';
import { readText } from '../src/files/read.js';
import { loadMedia } from '../src/media/load.js';
import { Conversation } from '../src/runtime/conversation.js';
import { EMBEDDED_MODEL, embeddedModel } from '../src/runtime/embedded.js';
import { keepGraph, keptGraph } from '../src/runtime/rewrite-cache.js';
import { Random } from '../src/scenes/random.js';
import { answerRequest, runBatch } from '../src/server/batch.js';
import { serve, type RunningServer } from '../src/server/serve.js';
import { runCli } from './cli.js';
import { fakeAnswerer } from './eval/fake-answerer.js';
import { parquetBytes } from './eval/parquet-fixture.js';
import { mutated as changed } from './hostile-text.js';
import { toyDecoder } from './toy/decoder.js';
import { toyFamily } from './toy/families.js';

const COUNT = Number(process.env['FASTV_CANARY'] ?? 40);
/** The processor's milliseconds for one input. */
const TIME = 5_000;
/** Milliseconds after which one hangs, on the busiest machine. */
const HANGS = 300_000;
const SECRET = `canary-${createHash('sha256').update('the file outside').digest('hex')}`;

const root = mkdtempSync(join(tmpdir(), 'fastv-canary-'));
const outside = join(root, 'outside');
const inside = join(root, 'inside');
const hasFfmpeg = ['ffmpeg', 'ffprobe'].every((name) => spawnSync(name, ['-version']).status === 0);
const seeds: Buffer[] = [];
let asked = 0;
let server: Server;
let api: RunningServer;
let conversation: Conversation;
const provider = createFastv({
  dtype: 'fp32',
  layer: 2,
  ratio: 0.5,
  cache: false,
  onWarning: () => undefined,
});
/** A cache of answers as it should be; undefined where there is no SQLite. */
let answers: Buffer | undefined;
/** A run as it should be: its two files. */
let run: { readonly summary: unknown; readonly results: readonly unknown[] };
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
  process.env['FASTV_CACHE'] = join(inside, 'cache');
  api = await serve({ port: 0, logger: pino({ level: 'silent' }), limits: { seconds: 5, outputTokens: 4 } });
  conversation = await Conversation.load(embeddedModel());
  const out = join(inside, 'run');
  const { summary } = await evaluate(fakeAnswerer(), { ...questions, out });
  const lines = readFileSync(join(out, 'results.jsonl'), 'utf8').trimEnd().split('\n');
  run = { summary, results: lines.map((line) => JSON.parse(line) as unknown) };
  const path = join(inside, 'answers.sqlite');
  const cache = await openAnswerCache(path).catch(() => undefined);
  cache?.put([['name', ANSWER]]);
  cache?.close();
  if (cache !== undefined) answers = readFileSync(path);
});
afterAll(async () => {
  delete process.env['FASTV_CACHE'];
  await provider.dispose();
  await api.close();
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

/** An empty folder. */
function fresh(name: string): string {
  const folder = join(inside, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return folder;
}

function randomPicture(random: Random): string {
  return mutated(random, seeds[random.int(seeds.length)] ?? Buffer.alloc(0)).toString('base64');
}

/** What the run of {@link run} asked. */
const questions = {
  tasks: [...TASKS.values()].filter(({ name }) => name === 'scenes-existence'),
  conditions: [{ name: 'unpruned', pruning: null, imageScale: 1 }],
  limit: 2,
};

const ANSWER: Answer = {
  text: 'yes',
  cost: {
    ...{ tokens: 1, imageTokens: 0, keptImageTokens: 0, generatedTokens: 1 },
    ...{ visionMs: 0, prefillMs: 0, decodeMs: 0 },
  },
};

const SCHEMA = {
  type: 'object',
  properties: { a: { enum: ['x'] }, b: { type: 'array', items: { $ref: '#/$defs/c' }, maxItems: 2 } },
  $defs: { c: { type: 'integer', minimum: 0 } },
};
/** What else a request may ask. */
const MORE = [
  { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: SCHEMA } } },
  { tools: [{ type: 'function', function: { name: 'look', parameters: SCHEMA, strict: true } }] },
  { fastv: { layer: 2, ratio: 0.5, strategy: 'attention', seed: 1 } },
];

/** As it comes out of JSON: a key like any other. */
const PROTO = JSON.parse('{"__proto__":{"ratio":1}}') as Record<string, never>;

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
  'a checkpoint': async (random) => {
    const folder = fresh('checkpoint');
    writeFileSync(join(folder, 'config.json'), '{}');
    const header = JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } });
    const size = Buffer.alloc(8);
    size.writeUInt32LE(header.length);
    const safetensors = Buffer.concat([size, Buffer.from(header), Buffer.alloc(8)]);
    for (const name of [
      'model.safetensors',
      'pytorch_model.bin',
      'model.safetensors.index.json',
      'tokenizer.json',
    ]) {
      const kind = random.int(4);
      if (kind === 0) symlinkSync(join(outside, 'canary.txt'), join(folder, name));
      else if (kind === 1) writeFileSync(join(folder, name), mutated(random, safetensors));
      else if (kind === 2)
        writeFileSync(join(folder, name), `{"weight_map":{"a":${JSON.stringify(place(random))}}}`);
    }
    const files = folderFiles(folder);
    const checkpoint = await Checkpoint.open(files);
    try {
      const read: unknown[] = [];
      for (const name of checkpoint.names) read.push(await checkpoint.read(name));
      return [read.map((bytes) => String(bytes)), await files.text('tokenizer.json')];
    } finally {
      checkpoint.close();
    }
  },
  'a rewrite that was kept': async (random) => {
    const path = join(fresh('kept'), 'model.fastv-0123456789abcdef.onnx');
    const graph = Buffer.from('a graph');
    await keepGraph(path, graph);
    const notes = join(inside, 'cache', 'rewrites');
    const victim = random.int(2) === 0 ? path : join(notes, readdirSync(notes)[0] ?? '');
    rmSync(victim);
    if (random.int(2) === 0) symlinkSync(join(outside, 'canary.txt'), victim);
    else writeFileSync(victim, mutated(random, readFileSync(join(outside, 'canary.png'))));
    expect(await keptGraph(path)).toBeUndefined();
    await keepGraph(path, graph);
    return keptGraph(path).then((kept) => String(kept));
  },
  'a run folder': async (random, seed) => {
    const folder = fresh('foreign');
    const draw = (): number => random.int(2 ** 30) / 2 ** 30;
    const link = random.int(8);
    const some = (value: unknown): string =>
      JSON.stringify(random.int(2) === 0 ? changed(value, draw) : value);
    writeFileSync(join(folder, 'summary.json'), some(run.summary));
    const results = join(folder, 'results.jsonl');
    if (link === 0) symlinkSync(join(outside, 'new.jsonl'), results);
    else if (link === 1) symlinkSync(join(outside, 'canary.txt'), results);
    else writeFileSync(results, run.results.map((result) => `${some(result)}\n`).join(''));
    if (seed % 8 === 0) return writeReport(folder);
    if (seed % 8 === 1) return mergeRuns([folder], join(inside, 'merged'));
    if (seed % 8 < 4) return compareRuns([folder, join(inside, 'run')]);
    return evaluate(fakeAnswerer(), { ...questions, out: folder });
  },
  "a model's configuration and tokenizer": async (random) => {
    const folder = fresh('configured');
    const draw = (): number => random.int(2 ** 30) / 2 ** 30;
    for (const name of readdirSync(EMBEDDED_MODEL).filter((file) => file.endsWith('.json'))) {
      const content = JSON.parse(readFileSync(join(EMBEDDED_MODEL, name), 'utf8')) as unknown;
      const kind = random.int(12);
      if (kind === 0) symlinkSync(join(outside, 'canary.txt'), join(folder, name));
      else writeFileSync(join(folder, name), JSON.stringify(kind < 4 ? changed(content, draw) : content));
    }
    checkLocalModel(folder);
    const own = await Conversation.load(folder, { local_files_only: true });
    const picture = { data: new Uint8ClampedArray(96 * 96 * 3), width: 96, height: 96 };
    const { input_ids: ids } = await own.inputs([{ role: 'user', text: place(random), images: [picture] }]);
    return own.tokenizer.decode(ids.tolist()[0] as number[]);
  },
  'a chat template': async (random, seed) => {
    const texts = [
      "{{ raise_exception('x') }}",
      "{{ ''.constructor.constructor('return process')() }}",
      '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}',
      '{% include "../outside/canary.txt" %}',
      '{{ messages[0].content[0].text }}',
      '{% for',
    ];
    // the one that loops takes its two seconds
    const text = texts[seed % 200 === 0 ? 2 : ([0, 1, 3, 4, 5][random.int(5)] ?? 0)] ?? '';
    const { processor, tokenizer } = conversation;
    Object.assign(processor, { chat_template: text });
    Object.assign(tokenizer, { chat_template: text });
    return conversation.prompt([{ role: 'user', text: place(random) }]);
  },
  'a command line': async (random) => {
    const path = write(random, 'line.png');
    const args = [
      ['inspect', path],
      ['rewrite', path, '--layer', '2', '--output', join(inside, 'line', 'out.onnx')],
      ['report', place(random)],
      ['compare', inside, place(random)],
      ['run', path, 'what is it?', '--model', join(inside, 'no-model')],
      ['eval', '--task-file', path, '--output', join(inside, 'line')],
      ['build', place(random), '--output', join(inside, 'built')],
    ];
    const { code, out, err } = await runCli(...(args[random.int(args.length)] ?? []));
    process.exitCode = undefined;
    expect([1, 2], err).toContain(code);
    expect(err).not.toMatch(/inside fastv|\n\s+at /u);
    return [out, err];
  },
  'a request': async (random) => {
    const value = random.int(2) === 0 ? place(random) : `data:image/png;base64,${randomPicture(random)}`;
    const content = [
      {
        type: random.int(8) === 0 ? 'video_url' : 'image_url',
        image_url: { url: value },
        video_url: { url: value },
      },
      { type: 'text', text: place(random) },
    ];
    const draw = (): number => random.int(2 ** 30) / 2 ** 30;
    // each schema has a process of its own, each plan a decoder: now and then
    const more = MORE[random.int(16 * MORE.length)] ?? {};
    const body = JSON.stringify({
      model: 'scenes-llava',
      messages: [{ role: 'user', content }],
      max_tokens: 1,
      ...(changed(more, draw) as object),
    });
    const answer = await fetch(`${api.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: random.int(4) === 0 ? new Uint8Array(mutated(random, Buffer.from(body))) : body,
    });
    const text = await answer.text();
    expect(answer.status, text).toBeLessThan(500);
    return text;
  },
  'a prompt of the AI SDK': async (random) => {
    const bytes = mutated(random, seeds[random.int(seeds.length)] ?? Buffer.alloc(0));
    const address = place(random);
    const data: LanguageModelV3FilePart['data'][] = [
      bytes,
      bytes.toString('base64'),
      address,
      URL.canParse(address) ? new URL(address) : address,
    ];
    const mediaType = ['image/png', 'image/*', 'image/svg+xml', 'video/mp4', ''][random.int(5)] ?? '';
    const file = {
      type: 'file',
      mediaType,
      data: data[random.int(data.length)] ?? '',
      filename: address,
    } as const;
    const content = [file, { type: 'text', text: place(random) } as const];
    const asked = { prompt: [{ role: 'user', content } as const], maxOutputTokens: 1 };
    const options = [{ ratio: place(random) }, { layer: 1 }, PROTO] as const;
    const fastv = options[random.int(8)];
    try {
      return await provider(EMBEDDED_MODEL).doGenerate({
        ...asked,
        ...(fastv === undefined ? {} : { providerOptions: { fastv } }),
      });
    } catch (error) {
      if (UnsupportedFunctionalityError.isInstance(error)) return error.message;
      throw error;
    }
  },
  'requests of a batch': async (random) => {
    const folder = fresh('batch');
    const input = write(random, 'batch/in.jsonl', false);
    const content = [{ type: 'image_url', image_url: { url: place(random) } }];
    const request = {
      ...{ custom_id: place(random), method: 'POST', url: '/v1/chat/completions' },
      body: { messages: [{ role: 'user', content }], max_tokens: 1 },
    };
    const draw = (): number => random.int(2 ** 30) / 2 ** 30;
    if (random.int(4) > 0)
      writeFileSync(input, `${JSON.stringify(changed(request, draw))}\n${JSON.stringify(request)}\n`);
    const output = join(folder, 'out.jsonl');
    const planted = random.int(8);
    if (planted === 0) symlinkSync(join(outside, 'canary.txt'), output);
    else if (planted === 1) symlinkSync(join(outside, 'new.jsonl'), `${output.slice(0, -6)}.errors.jsonl`);
    else if (planted === 2) symlinkSync(join(outside, 'canary.txt'), `${output}.lock`);
    await runBatch({
      ...{ input, output, portion: 1, concurrency: 2 },
      answer: (requests) => Promise.all(requests.map((one) => answerRequest(api.fetch, one, 'scenes-llava'))),
    });
    return readFileSync(output, 'utf8');
  },
  "a server's configuration": async (random) => {
    const draw = (): number => random.int(2 ** 30) / 2 ** 30;
    const path = write(random, 'serve.json', false);
    const config = {
      port: 1,
      'max-queue': 3,
      ratio: '75%',
      'api-key': 'x',
      cors: ['x'],
      'media-root': inside,
    };
    if (random.int(2) === 0) writeFileSync(path, JSON.stringify(changed(config, draw)));
    const names = ['PORT', 'HOST', 'MEDIA_ROOT', 'GRACE', 'LOG_LEVEL', 'MAX_QUEUE', 'MAX_SECONDS', 'CONFIG'];
    const name = `FASTV_${names[random.int(names.length)] ?? ''}`;
    const value = place(random).replaceAll('\0', '');
    try {
      if (random.int(4) === 0) process.env[name] = value;
      const { code, out, err } = await runCli('serve', '--print-config', '--config', path);
      expect([0, 1, 2], err).toContain(code);
      expect(err).not.toMatch(/inside fastv|\n\s+at /u);
      return [out, err];
    } finally {
      Reflect.deleteProperty(process.env, name);
      process.exitCode = undefined;
    }
  },
  // what is named as a program is run: the user's own. What is no program must not be told, and nothing hang
  "a module of the user's": async (random, seed) => {
    const path = write(random, `module-${seed}.mjs`);
    const named = random.int(2) === 0 ? path : place(random);
    return random.int(2) === 0 ? strategyFile(named) : ownMetrics([named]);
  },
  'a cache of answers': async (random) => {
    const path = write(random, 'cache.sqlite');
    if (answers !== undefined && random.int(4) > 0) {
      rmSync(path);
      writeFileSync(path, mutated(random, answers));
    }
    const cache = await openAnswerCache(path);
    try {
      const kept = cache.get('name');
      cache.put([['other', ANSWER]]);
      return [kept, cache.get('other')];
    } finally {
      cache.close();
      for (const end of ['-wal', '-shm', '-journal']) rmSync(path + end, { force: true });
    }
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
        const start = process.cpuUsage();
        let result: unknown;
        try {
          result = await ended(open(new Random(seed), seed), `seed ${seed}`);
        } catch (error) {
          if (!(error instanceof FastvError))
            throw new Error(`seed ${seed} ended in no FastvError`, { cause: error });
          result = error.toJSON();
        }
        const { user, system } = process.cpuUsage(start);
        expect((user + system) / 1000, `the time of seed ${seed}`).toBeLessThan(TIME);
        expect(touched(result), `seed ${seed} read what is outside`).toBe(false);
        expect(asked, `seed ${seed} asked the network`).toBe(0);
      }
      expect(readdirSync(outside).sort()).toEqual(outsideBefore);
      expect(contents(inside).some((bytes) => bytes.includes(SECRET))).toBe(false);
    },
    HANGS + COUNT * TIME,
  );
});

/** What comes of an input, or an error where it hangs. */
async function ended(work: Promise<unknown>, name: string): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<never>((_, fail) => {
    timer = setTimeout(() => {
      fail(new Error(`${name} hangs`));
    }, HANGS);
  });
  return Promise.race([work, hangs]).finally(() => {
    clearTimeout(timer);
  });
}

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
