import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from './limits.js';
import { videoFrames } from './video.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-films-'));
const path = process.env['PATH'];
const hasFfmpeg = ['ffmpeg', 'ffprobe'].every((name) => spawnSync(name, ['-version']).status === 0);
afterAll(() => {
  rmSync(root, { recursive: true });
});
afterEach(() => {
  process.env['PATH'] = path;
});

/** Programs of these names, and the few that their scripts need, and no others. */
function stand(programs: Readonly<Record<string, string>>): string {
  const bin = mkdtempSync(join(root, 'bin-'));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  process.env['PATH'] = bin;
  return bin;
}

const film = join(root, 'film.mp4');
beforeAll(() => {
  writeFileSync(film, 'film');
});

describe('videoFrames', () => {
  it('tells both programs which formats they may read, before the file', async () => {
    const bin = stand({
      ffprobe: `echo "$@" > ${root}/ffprobe.txt; echo 2.5`,
      ffmpeg: `echo "$@" > ${root}/ffmpeg.txt`,
    });
    await expect(videoFrames(film, 2)).rejects.toThrow(/no frames/);
    expect(bin).not.toBe('');
    for (const name of ['ffprobe', 'ffmpeg']) {
      const args = readFileSync(join(root, `${name}.txt`), 'utf8');
      const [guards = ''] = args.split(film);
      expect(guards).toMatch(/-format_whitelist mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi /);
      expect(guards).toMatch(/-protocol_whitelist file /);
    }
  });

  it('ends at once where ffmpeg is not installed', async () => {
    // the clock of a program that never began must not hold the process
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    stand({});
    await expect(videoFrames(film, 2)).rejects.toMatchObject({
      code: 'invalid-input',
      message: 'videos need ffprobe, which is not installed',
      hint: expect.stringMatching(/Install ffmpeg/) as string,
    });
    expect(timers()).toBe(before);
  });

  it('kills a program that prints without end', async () => {
    stand({ ffprobe: 'exec /bin/cat /dev/zero' });
    await expect(videoFrames(film, 2)).rejects.toThrow(/ffprobe printed more than 4096 bytes/);
    stand({ ffprobe: 'echo 2', ffmpeg: 'exec /bin/cat /dev/zero' });
    await expect(videoFrames(film, 2)).rejects.toThrow(/ffmpeg printed more than 268435456 bytes/);
  });

  it('gives up a film that takes long for what it is', async () => {
    stand({ ffprobe: 'echo 7200', ffmpeg: 'while :; do :; done' });
    await expect(videoFrames(film, 2)).rejects.toThrow(/takes too long for its size/);
  });

  it.skipIf(process.platform !== 'linux')('waits where the processor works for others', async () => {
    // longer than ffprobe has, and next to nothing for the processor to do
    stand({ ffprobe: '/bin/sleep 1.5; echo 2', ffmpeg: 'true' });
    await expect(videoFrames(film, 2)).rejects.toThrow(/no frames/);
  });

  it.skipIf(process.platform !== 'linux')('bounds the memory of both programs', async () => {
    stand({
      ffprobe: `ulimit -v > ${root}/probe-memory.txt; echo 2`,
      ffmpeg: `ulimit -v > ${root}/film-memory.txt`,
    });
    await expect(videoFrames(film, 2)).rejects.toThrow(/no frames/);
    for (const name of ['probe', 'film']) {
      expect(Number(readFileSync(join(root, `${name}-memory.txt`), 'utf8'))).toBe(LIMITS.filmMemory / 1024);
    }
  });

  it('refuses what is no file', async () => {
    stand({ ffprobe: 'echo 2' });
    execFileSync('/usr/bin/env', ['mkfifo', join(root, 'pipe.mp4')], { env: { PATH: path } });
    await expect(videoFrames(join(root, 'pipe.mp4'), 2)).rejects.toThrow(/is no file but a pipe/);
    mkdirSync(join(root, 'folder.mp4'));
    await expect(videoFrames(join(root, 'folder.mp4'), 2)).rejects.toThrow(/is no file but a folder/);
  });

  it.each(['inf', 'nan', '-1', '1e300', ''])('refuses the duration %j', async (seconds) => {
    stand({ ffprobe: `echo ${seconds}` });
    await expect(videoFrames(film, 2)).rejects.toThrow(/no duration/);
  });
});

describe.skipIf(!hasFfmpeg)('with ffmpeg, a film', () => {
  const run = (...args: string[]): void => {
    execFileSync('ffmpeg', ['-v', 'error', ...args]);
  };
  const secret = { mp4: join(root, 'private', 'secret.mp4'), ts: join(root, 'private', 'secret.ts') };
  beforeAll(() => {
    mkdirSync(join(root, 'private'));
    run('-f', 'lavfi', '-i', 'testsrc=duration=2:size=64x64:rate=5', '-pix_fmt', 'yuv420p', secret.mp4);
    run('-i', secret.mp4, '-c', 'copy', '-f', 'mpegts', secret.ts);
  });

  it.each(['mp4', 'm4v', 'mov', 'mkv', 'webm', 'avi'])('in %s is read', async (extension) => {
    const file = join(root, `real.${extension}`);
    run('-i', secret.mp4, file);
    expect(await videoFrames(file, 3)).toHaveLength(3);
  });

  const hls = (url: string): string =>
    `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n${url}\n#EXT-X-ENDLIST\n`;
  const dash = (url: string): string =>
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" ' +
    'mediaPresentationDuration="PT2S" minBufferTime="PT1S" ' +
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">' +
    `<Representation id="0" bandwidth="1" codecs="avc1" width="64" height="64"><BaseURL>${url}</BaseURL>` +
    '</Representation></AdaptationSet></Period></MPD>';
  it.each([
    ['an HLS playlist', () => hls(secret.ts)],
    ['a DASH playlist', () => dash(secret.mp4)],
    ['a list to concatenate', () => `ffconcat version 1.0\nfile '${secret.mp4}'\n`],
    [
      'an SDP description',
      () => 'v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
    ],
  ])('that is %s is refused', async (_, content) => {
    const file = join(root, 'playlist.mp4');
    writeFileSync(file, content());
    await expect(videoFrames(file, 2)).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(/playlist, or of another format|cannot be read/) as string,
    });
  });

  it('of very many tiny frames is refused', async () => {
    const file = join(root, 'frames.avi');
    const frames = LIMITS.filmFrames + 1;
    run('-f', 'lavfi', '-i', 'color=s=16x16:r=1000', '-frames:v', '5', '-c:v', 'rawvideo', file);
    expect(await videoFrames(file, 1)).toHaveLength(1);
    stand({ ffprobe: `echo ${frames}; echo 2.5`, ffmpeg: 'exec /bin/sleep 100' });
    await expect(videoFrames(file, 1)).rejects.toThrow(`the video has ${frames} frames`);
  });

  it('that is a playlist of addresses asks nobody', async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url);
      response.end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    for (const content of [hls, dash]) {
      const file = join(root, 'addresses.mp4');
      writeFileSync(file, content(`http://127.0.0.1:${port}/x.mp4`));
      await expect(videoFrames(file, 2)).rejects.toMatchObject({ code: 'invalid-input' });
    }
    server.close();
    expect(asked).toEqual([]);
  });
});
