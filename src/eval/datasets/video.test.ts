import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Row } from './row.js';
import { readFrames, spread } from './video.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-video-'));
const row: Row = { file: 'test_q.json', index: 4, fields: {} };
const path = process.env['PATH'];
const hasFfmpeg = ['ffmpeg', 'ffprobe'].every((name) => spawnSync(name, ['-version']).status === 0);

/** The red of each frame's first pixel. */
async function reds(
  name: string,
  count: number,
  places: readonly string[] = [],
): Promise<(number | undefined)[]> {
  const frames = await readFrames(row, 'video_name', name, count, root, places);
  return frames.map(({ data }) => data[0]);
}

function png(red: number): Promise<Buffer> {
  const background = { r: red, g: 0, b: 0 };
  return sharp({ create: { width: 4, height: 4, channels: 3, background } })
    .png()
    .toBuffer();
}

/** Programs of these names, that come before all others. */
function stand(programs: Readonly<Record<string, string>>): void {
  const bin = mkdtempSync(join(root, 'bin-'));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  process.env['PATH'] = `${bin}:/usr/bin:/bin`;
}

beforeAll(async () => {
  mkdirSync(join(root, 'frames'));
  for (let i = 0; i < 10; i++) writeFileSync(join(root, 'frames', `${i}.png`), await png(10 * i));
  mkdirSync(join(root, 'videos', 'all'), { recursive: true });
  for (const film of ['a.mp4', 'b.avi', 'c.webm']) writeFileSync(join(root, 'videos', 'all', film), 'film');
});
afterEach(() => {
  process.env['PATH'] = path;
});

describe('readFrames', () => {
  it('takes frames of a folder from the first to the last', async () => {
    expect(await reds('frames', 4)).toEqual([0, 30, 60, 90]);
    expect(await reds('frames.mp4', 99)).toHaveLength(10);
  });

  it('has films decoded by ffmpeg, wherever the dataset keeps them', async () => {
    const frames = [await png(7), await png(9)];
    writeFileSync(join(root, 'two.png'), Buffer.concat(frames));
    stand({ ffprobe: 'echo 2.5', ffmpeg: `cat ${join(root, 'two.png')}` });
    for (const name of ['a', 'b', 'c', 'b.avi'])
      expect(await reds(name, 2, ['x', 'videos/all'])).toEqual([7, 9]);
    await expect(reds('a', 2)).rejects.toThrow(/there is no video "a"/);
  });

  it('says when ffmpeg is missing, which is not the fault of the row', async () => {
    process.env['PATH'] = root;
    await expect(reds('a', 2, ['videos/all'])).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/videos need ffprobe, which is not installed/) as string,
      where: 'test_q.json, row 4, field video_name',
      hint: expect.stringMatching(/Install ffmpeg/) as string,
    });
  });

  it('refuses a film that is none, naming the row', async () => {
    stand({ ffprobe: 'echo "Invalid data found" >&2; exit 1', ffmpeg: 'exit 1' });
    await expect(reds('a', 2, ['videos/all'])).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(/Invalid data found/) as string,
      where: 'test_q.json, row 4, field video_name',
    });
    await expect(reds('../frames', 2)).rejects.toThrow(/outside/);
  });

  it.runIf(hasFfmpeg)('reads a real film', async () => {
    const film = join(root, 'videos', 'real.mp4');
    const source = ['-f', 'lavfi', '-i', 'testsrc=duration=2:size=64x48:rate=10'];
    execFileSync('ffmpeg', ['-v', 'error', ...source, '-pix_fmt', 'yuv420p', film]);
    const frames = await readFrames(row, 'video_name', 'real', 5, root, ['videos']);
    expect(frames.map(({ width, height }) => [width, height])).toEqual(new Array(5).fill([64, 48]));
    expect(new Set(frames.map(({ key }) => key)).size).toBe(5);
  });
});

describe('spread', () => {
  it('takes the first and the last, or the middle', () => {
    expect(spread(10, 4)).toEqual([0, 3, 6, 9]);
    expect(spread(10, 1)).toEqual([5]);
    expect(spread(3, 8)).toEqual([0, 1, 2]);
  });
});
