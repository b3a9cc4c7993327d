// `fastv chat` as a process of its own, with its standard input in the test's hand.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PrefillReport } from '../../runtime/options.js';
import { loadAtlas } from '../../scenes/atlas.js';
import { makeItem } from '../../scenes/dataset.js';
import { renderScene } from '../../scenes/render.js';
import { IMAGE_SIZE } from '../../scenes/scene.js';

// two levels below the root, as the sources are: the embedded model is found from there
const PROGRAM = join(process.cwd(), 'node_modules', '.cache', `fastv-chat-${process.pid}.mjs`);

let folder = '';
let image = '';
let question = '';
beforeAll(async () => {
  await build({
    stdin: {
      contents: `
        import { main } from './src/cli/main.ts';
        if (process.env.FASTV_TEST_TERMINAL === '1') process.stdin.isTTY = true;
        process.exitCode = await main(process.argv.slice(2));`,
      resolveDir: process.cwd(),
    },
    outfile: PROGRAM,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  folder = await mkdtemp(join(tmpdir(), 'fastv-chat-'));
  const atlas = loadAtlas();
  const item = makeItem('test', 'existence', 0, atlas);
  question = item.question;
  image = join(folder, 'scene.png');
  const raw = { width: IMAGE_SIZE, height: IMAGE_SIZE, channels: 3 } as const;
  await sharp(renderScene(item.scenes[0] ?? expect.fail(), atlas), { raw })
    .png()
    .toFile(image);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(PROGRAM, { force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Standard input that stays open: what is written first, and what once there is an answer. */
interface OpenInput {
  readonly terminal: boolean;
  readonly first: string;
  readonly then: string;
}

/**
 * Runs the command until it ends by itself.
 * @param input a text after which standard input ends, or one that stays open
 */
function chat(argv: readonly string[], input: string | OpenInput): Promise<Ended> {
  const open = typeof input === 'string' ? undefined : input;
  const child = spawn(process.execPath, [PROGRAM, 'chat', ...argv], {
    env: { ...process.env, FASTV_TEST_TERMINAL: open?.terminal === true ? '1' : '0', TERM: 'dumb' },
    timeout: 120_000,
  });
  let [out, err] = ['', ''];
  let then = open?.then;
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
    if (then === undefined || !out.includes('[first token')) return;
    child.stdin.write(then);
    then = undefined;
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  // a command that ends before it has read everything closes the pipe
  child.stdin.on('error', () => undefined);
  if (typeof input === 'string') child.stdin.end(input);
  else child.stdin.write(input.first);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, out, err });
    });
  });
}

interface Turn {
  readonly question: string;
  readonly answer: string;
  readonly tokens: number;
  readonly fastv: PrefillReport;
}

const turns = ({ out }: Ended): Turn[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Turn);

describe('fastv chat', { timeout: 180_000 }, () => {
  it('answers two questions on one cache, and ends with its input', async () => {
    const ended = await chat(['--json', image], `${question}\nWhat color is it?\n`);
    expect(ended).toMatchObject({ code: 0, err: '' });
    const [first, second, ...others] = turns(ended);
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      question,
      fastv: { ratio: [0.5], rows: [{ imageTokens: 144, keptImageTokens: 72 }] },
    });
    expect(first?.answer).toMatch(/^\w/u);
    expect(second?.question).toBe('What color is it?');
    expect(second?.answer).toMatch(/^\w/u);
    // the second turn computes its own tokens only
    expect(second?.fastv.rows[0]).toMatchObject({ imageTokens: 0 });
    expect(second?.fastv.rows[0]?.sequence).toBeLessThan(40);
  });

  it('prints answers and times for people; the last line needs no end', async () => {
    const { code, out } = await chat([image], question);
    expect(code).toBe(0);
    expect(out).toMatch(/^\s*\w.*\n\[first token \d+ ms · .*kept 72 of 144 image tokens/u);
  });

  it('obeys commands; a mistake in a line does not end it, /quit does', async () => {
    const absent = join(folder, 'absent.png');
    const lines = ['/ratio 0.75', '/image', `/image ${absent}`, '/ratio 7', '/nonsense', '', question];
    const again = ['/new', `/image ${image}`, question, '/quit', question];
    const ended = await chat(['--json', image], [...lines, ...again, ''].join('\n'));
    expect(ended.code).toBe(0);
    const [first, second, ...others] = turns(ended);
    expect(others).toEqual([]);
    expect(first?.fastv).toMatchObject({ ratio: [0.75], rows: [{ keptImageTokens: 36 }] });
    // all was forgotten: the same image and question give the same answer
    expect(second).toMatchObject({ question, answer: first?.answer, fastv: { rows: first?.fastv.rows } });
    const errors = ended.err.split('\n').filter((line) => line.startsWith('error: '));
    expect(errors).toHaveLength(4);
    expect(errors[1]).toMatch(/there is no such image/u);
    expect(errors[2]).toMatch(/R = 7/u);
    expect(errors[3]).toMatch(/\/nonsense is no command/u);
    expect(ended.err).toMatch(/^1 image for the next question$/mu);
    expect(ended.err).not.toMatch(/\n\s+at /u);
  });

  it.each([
    ['an absent image', 'absent.png', 1, /there is no such image/u],
    ['a file that is no image', 'text.png', 1, /this is no image/u],
    ['an image from standard input', '-', 2, /no image can/u],
  ] as const)('refuses %s before the first question', async (_, name, code, message) => {
    await writeFile(join(folder, 'text.png'), 'no image');
    const ended = await chat([name === '-' ? name : join(folder, name)], `${question}\n`);
    expect(ended).toMatchObject({ code, out: '' });
    expect(ended.err).toMatch(message);
    expect(ended.err).not.toMatch(/\n\s+at /u);
  });

  it.each([
    ['Ctrl-D on a terminal', true, '\r', '\u0004', /\/quit ends, /u],
    ['/quit in a pipe that stays open', false, '\n', '/quit\n', /^$/u],
  ] as const)('ends with %s', async (_, terminal, enter, then, said) => {
    const { code, out, err } = await chat([image], { terminal, first: `${question}${enter}`, then });
    expect(code).toBe(0);
    expect(out).toMatch(/\n\[first token \d+ ms/u);
    expect(err).toMatch(said);
  });
});
