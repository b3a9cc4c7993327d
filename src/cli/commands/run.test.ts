import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../../test/cli.js';
import { loadAtlas } from '../../scenes/atlas.js';
import { makeItem } from '../../scenes/dataset.js';
import { renderScene } from '../../scenes/render.js';
import { IMAGE_SIZE } from '../../scenes/scene.js';

let folder = '';
let image = '';
let question = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-run-'));
  const atlas = loadAtlas();
  const item = makeItem('test', 'existence', 0, atlas);
  const [scene] = item.scenes;
  if (scene === undefined) throw new Error('no scene');
  question = item.question;
  image = join(folder, 'scene.png');
  const raw = { width: IMAGE_SIZE, height: IMAGE_SIZE, channels: 3 } as const;
  await sharp(renderScene(scene, atlas), { raw }).png().toFile(image);
});
afterAll(() => rm(folder, { recursive: true }));

describe('fastv run', () => {
  it('prints an answer, then a line of timings and kept tokens', async () => {
    const { code, out } = await runCli('run', image, question);
    expect(code).toBe(0);
    const [answer, line] = out.trim().split('\n');
    expect(answer?.trim()).toMatch(/^\w+/u);
    expect(line).toMatch(
      /^\[first token \d+ ms · .*kept 72 of 144 image tokens \(K=2\) · FLOPs \d+% · KV \d+%/u,
    );
  });

  it('prints JSON and draws the kept patches', async () => {
    const overlay = join(folder, 'kept.png');
    const { code, out } = await runCli(
      'run',
      '--json',
      '--budget',
      '20',
      '--overlay',
      overlay,
      image,
      question,
    );
    expect(code).toBe(0);
    const result = JSON.parse(out) as { answer: string; fastv: { rows: { keptImageTokens: number }[] } };
    expect(result).toMatchObject({ question, overlay, fastv: { rows: [{ keptImageTokens: 20 }] } });
    expect(await sharp(overlay).metadata()).toMatchObject({ format: 'png', width: 480, height: 480 });
  });

  it('compares with the original', async () => {
    const { code, out } = await runCli('run', '--compare', '--repeat', '1', '--ratio', '0', image, question);
    expect(code).toBe(0);
    expect(out).toMatch(/answer .* same/u);
    for (const row of ['first token', 'prefill', 'image tokens', 'FLOPs (theory)', 'KV memory']) {
      expect(out).toContain(`\n${row}`);
    }
    const json = await runCli('run', '--compare', '--repeat', '1', '--json', image, question);
    expect(JSON.parse(json.out)).toMatchObject({ original: {}, pruned: { fastv: { layer: [2] } } });
  });

  it.each([
    ['nothing', [], 2, /an image and a question are needed/u],
    ['no question', ['IMAGE'], 2, /the image is missing|the question is missing/u],
    ['no question, two images', ['IMAGE', 'IMAGE'], 2, /the question is missing/u],
    ['an empty question', ['IMAGE', ' '], 2, /the question is empty/u],
    ['no image', ['What is this?'], 2, /the image is missing/u],
    ['an absent image', ['absent.png', 'What?'], 1, /there is no such image/u],
    ['a text file named .png', ['TEXT', 'What?'], 1, /this is no image/u],
    [
      'an unknown model',
      ['--model', 'nobody/nothing', 'IMAGE', 'What?'],
      1,
      /no such model on this machine/u,
    ],
    [
      'a folder that is no model',
      ['--model', 'FOLDER', 'IMAGE', 'What?'],
      1,
      /no such model on this machine/u,
    ],
    [
      'a dtype that the model has not',
      ['--dtype', 'q4f16', 'IMAGE', 'What?'],
      1,
      /has no file .*q4f16\.onnx/u,
    ],
    ['a URL without permission', ['https://example.invalid/a.png', 'What?'], 1, /needs permission/u],
    ['a ratio of 2', ['--ratio', '2', 'IMAGE', 'What?'], 2, /from 0 to 1/u],
    ['ratio and budget', ['--ratio', '0', '--budget', '3', 'IMAGE', 'What?'], 2, /cannot be used with/u],
    ['layer 0 with attention', ['--layer', '0', 'IMAGE', 'What?'], 2, /no attention to rank by/u],
    ['a layer too many', ['--layer', '99', 'IMAGE', 'What?'], 2, /out of range|has \d+ layers/u],
    ['an image token in the question', ['IMAGE', 'What is <image>?'], 1, /stands for an image/u],
  ])('refuses %s', async (_, argv, code, message) => {
    const text = join(folder, 'text.png');
    await writeFile(text, 'this is a text file');
    const places: Readonly<Record<string, string>> = { IMAGE: image, TEXT: text, FOLDER: folder };
    const result = await runCli('run', ...argv.map((word) => places[word] ?? word));
    expect(result.err).toMatch(message);
    expect(result.err).not.toMatch(/\n\s+at /u);
    expect(result.code).toBe(code);
    expect(result.out).toBe('');
  });
});

describe('what fastv run prints', () => {
  it('is the answer alone with --quiet, without a space before it', async () => {
    const { code, out, err } = await runCli('run', '--quiet', image, question);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^(?:yes|no)\n$/u);
  });

  it('has one vocabulary in JSON, and the kept positions on demand only', async () => {
    interface Document {
      answer: string;
      fastv: { kvBytes: object; rows: { keptIndices?: number[] }[] };
      notice?: string;
    }
    const short = JSON.parse((await runCli('run', '--json', image, question)).out) as Document;
    expect(short.answer).toMatch(/^(?:yes|no)$/u);
    expect(Object.keys(short.fastv.kvBytes)).toEqual(['pruned', 'unpruned']);
    expect(short.fastv.rows[0]?.keptIndices).toBeUndefined();
    expect(short.notice).toBeUndefined();
    const long = JSON.parse(
      (await runCli('run', '--json', '--kept-indices', image, question)).out,
    ) as Document;
    expect(long.fastv.rows[0]?.keptIndices?.length).toBeGreaterThan(72);
  });

  it('says that the bundled model knows no photos, and what brings one that does', async () => {
    const photo = join(folder, 'photo.jpg');
    const create = { width: 320, height: 240, channels: 3, background: '#336699' } as const;
    await sharp({ create }).jpeg().toFile(photo);
    const { code, out, err } = await runCli('run', '--json', photo, 'What is on the table?');
    expect(code).toBe(0);
    expect(err).toMatch(/^warning: the bundled model knows synthetic scenes only.*fastv pull /u);
    expect(JSON.parse(out)).toMatchObject({ notice: expect.stringMatching(/fastv pull /u) as unknown });
  });

  it('never writes over a picture that it reads', async () => {
    const before = await readFile(image);
    const { code, err } = await runCli('run', image, question, '--overlay', image);
    expect(code).toBe(2);
    expect(err).toMatch(/--overlay would overwrite what is read/u);
    expect(await readFile(image)).toEqual(before);
  });

  it.each([
    ['a dtype that is none', ['--dtype', 'q9'], /"q9" is no dtype\n.*--dtype\n.*q4f16/u],
    ['a device that is none', ['--device', 'tpu'], /"tpu" is no device\n.*--device\n.*webgpu/u],
    ['a ratio in hexadecimal', ['--ratio', '0x1'], /no share from 0 to 1/u],
    ['a seed that nobody draws by', ['--seed', '3'], /draws nothing\n.*--seed\n.*random/u],
    ['repeats of nothing', ['--repeat', '5'], /--repeat\n.*--compare/u],
    ['an overlay without a name', ['--overlay', ''], /a file is needed\n {2}where: --overlay/u],
  ] as [string, string[], RegExp][])('refuses %s before anything is loaded', async (_, argv, message) => {
    const { code, err } = await runCli('run', ...argv, image, question);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it.each([
    [['scenes', 'x', '--layout', 'conversations', '--split', 'test'], /--split/u],
    [['scenes', 'x', '--questions-per-image', '3'], /--questions-per-image/u],
    [['cost', '--model', 'llava-1.5-7b', '--image-tokens', '9', '--images', '2'], /--images/u],
    [['quantize', 'a', '-o', 'b', '--block', '64'], /--block/u],
    [['eval', '--tasks', 'scenes', '-o', 'x', '--seed', '1'], /--seed/u],
  ] as [string[], RegExp][])('refuses options without effect: %j', async (argv, where) => {
    const { code, err } = await runCli(...argv);
    expect(code).toBe(2);
    expect(err).toMatch(where);
  });
});

describe('fastv demo', () => {
  it('writes a report that needs nothing else', { timeout: 180_000 }, async () => {
    const out = join(folder, 'demo.html');
    const { code, out: printed } = await runCli('demo', '--repeat', '1', '--ratios', '0.5', '--out', out);
    expect(code).toBe(0);
    expect(printed).toContain(out);
    const html = await readFile(out, 'utf8');
    expect(html).not.toMatch(/(?:src|href)="(?!data:)|url\(|<script/u);
    expect(html.match(/<section>/gu)).toHaveLength(7);
    expect((await stat(out)).size).toBeLessThan(4e6);
  });

  it('says where it cannot write', async () => {
    const { code, err } = await runCli(
      'demo',
      '--repeat',
      '1',
      '--ratios',
      '0.5',
      '--out',
      join(folder, 'no/demo.html'),
    );
    expect(code).toBe(1);
    expect(err).toMatch(/ENOENT/u);
  }, 180_000);
});
