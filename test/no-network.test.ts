// What the system sees of the command line: without --allow-network no process of it, ffmpeg included, asks for a socket
// of the internet. Needs strace (Linux); skipped where it is absent.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMBEDDED_MODEL } from '../src/runtime/embedded.js';
import { buildCli, startCli } from './cli-process.js';

const has = (name: string, option: string): boolean => spawnSync(name, [option]).status === 0;
const hasStrace = has('strace', '--version');
const hasFfmpeg = has('ffmpeg', '-version') && has('ffprobe', '-version');
/** Nobody listens there: being asked is what must not happen. */
const ADDRESS = 'http://127.0.0.1:49151/x';
const root = mkdtempSync(join(tmpdir(), 'fastv-no-network-'));
const trace = join(root, 'trace.txt');
const run = (name: string): string => join(root, 'runs', name);
let cli: Awaited<ReturnType<typeof buildCli>>;

let ended = { code: 0 as number | null, err: '' };

/** The sockets of the internet that a command line asked for. */
async function sockets(...args: readonly string[]): Promise<readonly string[]> {
  const quoted = [process.execPath, cli.program, ...args].map((arg) => `'${arg}'`).join(' ');
  const { code, err } = await startCli(cli.program, `${STRACE} ${quoted}`).ended;
  expect([0, 1, 2], err).toContain(code);
  ended = { code, err };
  return traced();
}

const STRACE = `strace -f -qq -e trace=network -o ${trace}`;

/** Calls of the last trace that have to do with the internet. */
function traced(): readonly string[] {
  return readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => line.includes('AF_INET'));
}

/** A task of the dataset `own/set`. */
function taskFile(name: string, split: string, images: object): string {
  const path = join(root, `${name}.json`);
  const task = {
    name,
    data: { kind: 'repository', repository: 'own/set', split },
    images,
    prompt: ['{question}'],
    answer: { field: 'answer' },
    metric: 'exact-match',
    maxTokens: 2,
  };
  writeFileSync(path, JSON.stringify(task));
  return path;
}

describe.skipIf(!hasStrace)('seen by strace', () => {
  beforeAll(async () => {
    cli = await buildCli();
    const white = { create: { width: 32, height: 32, channels: 3, background: '#ffffff' } } as const;
    const set = join(root, 'own', 'set');
    mkdirSync(join(root, 'quantized'));
    mkdirSync(set, { recursive: true });
    writeFileSync(join(set, 'a.png'), await sharp(white).png().toBuffer());
    const rows = ['a.png', ADDRESS].map((image) =>
      JSON.stringify({ image, question: 'a dog?', answer: 'no' }),
    );
    writeFileSync(join(set, 'test.jsonl'), rows.join('\n'));
    taskFile('task', 'test', { fields: ['image'] });
  });
  afterAll(() => {
    cli.remove();
    rmSync(root, { recursive: true });
  });

  it('a URL with permission is asked for: the trace shows what it should', async () => {
    expect(await sockets('run', ADDRESS, 'what is it', '--allow-network')).not.toEqual([]);
  });

  it.each([
    ['run', () => ['run', join(root, 'own', 'set', 'a.png'), 'what is it']],
    ['run with a URL', () => ['run', ADDRESS, 'what is it']],
    ['build of a name', () => ['build', 'a/b', '-o', join(root, 'named')]],
    ['run with a model of the hub', () => ['run', join(root, 'own', 'set', 'a.png'), 'x', '--model', 'a/b']],
    [
      'eval',
      () => [
        ...['eval', '--task-file', join(root, 'task.json'), '--data', root, '--on-error', 'skip'],
        ...['--output', join(root, 'results')],
      ],
    ],
    ['eval of a task of the hub', () => ['eval', '--tasks', 'pope', '--output', join(root, 'none')]],
  ])('%s asks nobody', async (_, args) => {
    expect(await sockets(...args())).toEqual([]);
  });

  const decoder = join(EMBEDDED_MODEL, 'onnx', 'decoder_model_merged.onnx');
  const checkpoint = join(process.cwd(), 'test', 'fixtures', 'vlm', 'llava');
  // in this order: reports and comparisons are of the run before them
  it.each([
    ['inspect', () => ['inspect', decoder]],
    ['rewrite', () => ['rewrite', decoder, '--layer', '2', '-o', join(root, 'rewritten', 'd.onnx')]],
    ['quantize', () => ['quantize', decoder, '-o', join(root, 'quantized', 'd.onnx')]],
    ['build', () => ['build', checkpoint, '--check', '-o', join(root, 'built')]],
    ['demo', () => ['demo', '--ratios', '0.5', '--repeat', '1', '-o', join(root, 'demo.html')]],
    ['sweep', () => ['sweep', '--tasks', 'scenes-color', '--limit', '2', '--layers', '2', '-o', run('a')]],
    ['eval of scenes', () => ['eval', '--tasks', 'scenes-color', '--limit', '2', '-o', run('b')]],
    ['report', () => ['report', run('a')]],
    ['compare', () => ['compare', run('a'), run('b')]],
    ['doctor', () => ['doctor']],
    ['models', () => ['models']],
  ])('%s asks nobody, and does its work', async (_, args) => {
    expect(await sockets(...args())).toEqual([]);
    expect(ended.code, ended.err).toBe(0);
  });

  it('serve connects to nobody, whatever requests name', async () => {
    const { child, ended: end } = startCli(
      cli.program,
      `exec ${STRACE} '${process.execPath}' '${cli.program}' serve --port 0 --json`,
    );
    const url = await new Promise<string>((resolve, reject) => {
      let out = '';
      child.stdout?.on('data', (data: Buffer) => {
        out += data.toString();
        const [, found] = /"url":"([^"]+)"/u.exec(out) ?? [];
        if (found !== undefined) resolve(found);
      });
      void end.then(({ err }) => {
        reject(new Error(err));
      });
    });
    const picture = readFileSync(join(root, 'own', 'set', 'a.png')).toString('base64');
    for (const [image, status] of [
      [`data:image/png;base64,${picture}`, 200],
      [ADDRESS, 400],
      [`file://${root}/own/set/a.png`, 400],
    ] as const) {
      const content = [
        { type: 'image_url', image_url: { url: image } },
        { type: 'text', text: 'a dog?' },
      ];
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          ...{ model: 'scenes-llava', max_tokens: 2, response_format: { type: 'json_object' } },
          messages: [{ role: 'user', content }],
        }),
      });
      expect(answer.status, await answer.text()).toBe(status);
    }
    // the group: strace holds back what is sent to it alone
    process.kill(-(child.pid ?? 0), 'SIGTERM');
    await end;
    const calls = traced().filter((line) => !/\b(?:bind|accept4?|getsockname|getpeername)\(/u.test(line));
    expect(calls.filter((line) => /\b(?:connect|send\w*)\(/u.test(line))).toEqual([]);
  });

  it.skipIf(!hasFfmpeg)('films ask nobody: real ones, and playlists of addresses', async () => {
    const film = join(root, 'film.mp4');
    const source = ['-f', 'lavfi', '-i', 'testsrc=duration=1:size=64x64:rate=5', '-pix_fmt', 'yuv420p'];
    execFileSync('ffmpeg', ['-v', 'error', ...source, film]);
    expect(await sockets('run', film, 'what is it', '--frames', '2')).toEqual([]);
    copyFileSync(film, join(root, 'own', 'set', 'film.mp4'));
    const row = { clip: 'film', question: 'a dog?', answer: 'no' };
    writeFileSync(join(root, 'own', 'set', 'films.jsonl'), JSON.stringify(row));
    const task = taskFile('films', 'films', { video: 'clip', frames: 2 });
    const data = ['--data', root, '--output', join(root, 'films')];
    expect(await sockets('eval', '--task-file', task, ...data)).toEqual([]);
    expect(readFileSync(join(root, 'films', 'results.jsonl'), 'utf8')).toMatch(/"prediction"/u);
    const hls = `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n${ADDRESS}.ts\n#EXT-X-ENDLIST\n`;
    writeFileSync(film, hls);
    expect(await sockets('run', film, 'what is it')).toEqual([]);
  });
});
