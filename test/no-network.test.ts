// What the system sees of the command line: without --allow-network no process of it, ffmpeg included, asks for a socket
// of the internet. Needs strace (Linux); skipped where it is absent.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, startCli } from './cli-process.js';

const has = (name: string, option: string): boolean => spawnSync(name, [option]).status === 0;
const hasStrace = has('strace', '--version');
const hasFfmpeg = has('ffmpeg', '-version') && has('ffprobe', '-version');
/** Nobody listens there: being asked is what must not happen. */
const ADDRESS = 'http://127.0.0.1:49151/x';
const root = mkdtempSync(join(tmpdir(), 'fastv-no-network-'));
const trace = join(root, 'trace.txt');
let cli: Awaited<ReturnType<typeof buildCli>>;

/** The sockets of the internet that a command line asked for. */
async function sockets(...args: readonly string[]): Promise<readonly string[]> {
  const quoted = [process.execPath, cli.program, ...args].map((arg) => `'${arg}'`).join(' ');
  const { code, err } = await startCli(cli.program, `strace -f -qq -e trace=network -o ${trace} ${quoted}`)
    .ended;
  expect([0, 1], err).toContain(code);
  return readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => line.includes('AF_INET'));
}

describe.skipIf(!hasStrace)('seen by strace', () => {
  beforeAll(async () => {
    cli = await buildCli();
    const white = { create: { width: 32, height: 32, channels: 3, background: '#ffffff' } } as const;
    const set = join(root, 'own', 'set');
    mkdirSync(set, { recursive: true });
    writeFileSync(join(set, 'a.png'), await sharp(white).png().toBuffer());
    const rows = ['a.png', ADDRESS].map((image) =>
      JSON.stringify({ image, question: 'a dog?', answer: 'no' }),
    );
    writeFileSync(join(set, 'test.jsonl'), rows.join('\n'));
    const task = {
      name: 'own',
      data: { kind: 'repository', repository: 'own/set', split: 'test' },
      images: { fields: ['image'] },
      prompt: ['{question}'],
      answer: { field: 'answer' },
      metric: 'exact-match',
      maxTokens: 2,
    };
    writeFileSync(join(root, 'task.json'), JSON.stringify(task));
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

  it.skipIf(!hasFfmpeg)('films ask nobody: real ones, and playlists of addresses', async () => {
    const film = join(root, 'film.mp4');
    const source = ['-f', 'lavfi', '-i', 'testsrc=duration=1:size=64x64:rate=5', '-pix_fmt', 'yuv420p'];
    execFileSync('ffmpeg', ['-v', 'error', ...source, film]);
    expect(await sockets('run', film, 'what is it', '--frames', '2')).toEqual([]);
    const hls = `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n${ADDRESS}.ts\n#EXT-X-ENDLIST\n`;
    writeFileSync(film, hls);
    expect(await sockets('run', film, 'what is it')).toEqual([]);
  });
});
