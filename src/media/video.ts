// Frames of a video file, through ffmpeg where it is installed.
//
// ffmpeg decides by the content of a file what it is, and a file that is called .mp4 may be a playlist (HLS, DASH, concat):
// ffmpeg then opens whatever the playlist names, any file of the user's, and with some builds addresses on the network,
// whatever protocols are allowed. So it is told which *formats* it may read, and that none of them leads elsewhere. And a
// few kilobytes can be hours of film, or frames that fill the memory: both programs get time by the bytes there are, and
// memory by the system's own limit.
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { fileCode } from '../files/file-error.js';
import { openRegular, readRegularSync } from '../files/read.js';
import { LIMITS } from './limits.js';

const INSTALL = 'Install ffmpeg (with ffprobe), or give a folder of frames or an animated GIF.';
const UNREAD = 'Films can be MP4, MOV, MKV, WebM or AVI; or give a folder of frames or an animated GIF.';

/** Before each input, of both programs. */
const GUARDS = [
  ...['-v', 'error'],
  ...['-format_whitelist', 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi'],
  ...['-protocol_whitelist', 'file'],
  ...['-max_streams', '64'],
  ...['-max_pixels', String(LIMITS.filmPixels)],
] as const;

/** The most that ffmpeg may take in one piece, in bytes: a plane of {@link LIMITS}.filmPixels, 16 bits deep. */
const MAX_ALLOCATION = String(2 * LIMITS.filmPixels);

/** Runs a program with less memory than it could have, where the system knows how; its arguments are not looked at. */
const WITH_LESS_MEMORY = [
  '/bin/sh',
  ...['-c', `ulimit -v ${LIMITS.filmMemory / 1024} 2>/dev/null; exec "$@"`, 'sh'],
] as const;

/** How a shell ends that cannot find the program. */
const NOT_FOUND = 127;

/**
 * Frames of a video, evenly spaced.
 * @returns each frame as a PNG
 * @throws {FastvError} `invalid-input` if ffmpeg is not installed or cannot read the file, `io` if the file cannot be read
 */
export async function videoFrames(path: string, count: number): Promise<Uint8Array[]> {
  const file = resolve(path);
  const { fd, size } = openRegular(file);
  closeSync(fd);
  const time = Math.min(LIMITS.timeout, LIMITS.filmTime + size / LIMITS.filmBytesPerMs);
  // a frame that repeats the last one takes a few bytes, and as long to decode as any of its size
  const counted = size <= LIMITS.filmCounted ? ['-count_packets'] : [];
  const entries = 'format=duration:stream=nb_read_packets';
  const probe = [
    ...GUARDS,
    ...counted,
    '-select_streams',
    'v:0',
    '-show_entries',
    entries,
    '-of',
    'csv=p=0',
    file,
  ];
  const lines = new TextDecoder()
    .decode(await call('ffprobe', probe, path, 4096, time / 4))
    .trim()
    .split('\n');
  if (lines.length > 1 && Number(lines[0]) > LIMITS.filmFrames) {
    const message = `the video has ${lines[0] ?? ''} frames, at most ${LIMITS.filmFrames} are read`;
    throw new FastvError('invalid-input', message, { where: path, hint: 'Give a part of it.' });
  }
  const seconds = Number(lines.at(-1));
  if (!(seconds > 0 && seconds < 1e7)) {
    throw new FastvError('invalid-input', 'the video has no duration', { where: path, hint: UNREAD });
  }
  const filters = [`fps=${count}/${seconds}`, "scale='min(1024,iw)':-2"].join(',');
  // each thread of the decoder holds frames of its own
  const input = [
    ...['-nostdin', '-max_alloc', MAX_ALLOCATION, '-filter_threads', '1', ...GUARDS],
    ...['-threads', '2', '-i', file, '-an', '-sn', '-dn'],
  ];
  const output = ['-vf', filters, '-frames:v', String(count), '-c:v', 'png', '-f', 'image2pipe', '-'];
  const frames = splitPngs(await call('ffmpeg', [...input, ...output], path, LIMITS.bytes, time));
  if (frames.length === 0) throw new FastvError('invalid-input', 'the video has no frames', { where: path });
  return frames;
}

/**
 * What a program prints. It is killed when its time is up, or when it prints too much. Time is counted by the clock; where the
 * processor worked for others meanwhile, there is twice as much, up to `LIMITS.timeout`.
 * @param time milliseconds
 */
async function call(
  program: string,
  args: readonly string[],
  where: string,
  most: number,
  time: number,
): Promise<Uint8Array> {
  return new Promise((done, fail) => {
    const [command, ...rest] =
      process.platform === 'win32' ? [program, ...args] : [...WITH_LESS_MEMORY, program, ...args];
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    const refuse = (message: string, hint: string, cause?: unknown): void => {
      clearTimeout(timer);
      fail(
        new FastvError('invalid-input', message, { where, hint, ...(cause === undefined ? {} : { cause }) }),
      );
    };
    let killed = '';
    const kill = (why: string): void => {
      killed = why;
      child.kill('SIGKILL'); // a program that is stuck heeds nothing less
    };
    const after = (until: number, wait: number): NodeJS.Timeout =>
      setTimeout(() => {
        const hadItsTime = processorTime(child.pid) > time / 4;
        if (hadItsTime || until >= LIMITS.timeout) kill('it takes too long for its size');
        else timer = after(2 * until, until);
      }, wait);
    let timer = after(time, time);
    const chunks: Buffer[] = [];
    let size = 0;
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > most) kill(`${program} printed more than ${most} bytes`);
      else chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 500) complaint += chunk.toString();
    });
    child.on('error', (cause) => {
      const absent = fileCode(cause) === 'ENOENT';
      const what = absent ? 'is not installed' : `cannot be run: ${cause.message}`;
      refuse(`videos need ${program}, which ${what}`, INSTALL, cause);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) done(Buffer.concat(chunks));
      else if (code === NOT_FOUND) {
        const cause = Object.assign(new Error(complaint.trim()), { code: 'ENOENT' });
        refuse(`videos need ${program}, which is not installed`, INSTALL, cause);
      } else if (/not on whitelist/iu.test(complaint))
        refuse('the video is a playlist, or of another format', UNREAD);
      else {
        const reason = killed === '' ? (complaint.trim().split('\n')[0] ?? '') : killed;
        refuse(`the video cannot be read: ${reason}`, UNREAD);
      }
    });
  });
}

/** Milliseconds that the processor worked for a program; more than any where the system does not tell. */
function processorTime(pid: number | undefined): number {
  try {
    // fields 14 and 15 of proc(5), in hundredths of a second; the second is the program's name, whatever is in it
    const text = new TextDecoder('latin1').decode(readRegularSync(`/proc/${pid ?? 0}/stat`, 4096));
    const [, rest = ''] = /^.*\) (.*)$/su.exec(text) ?? [];
    const [user, system] = rest.split(' ').slice(11, 13).map(Number);
    return user === undefined || system === undefined ? Infinity : 10 * (user + system);
  } catch {
    return Infinity;
  }
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Splits PNGs that follow each other. */
export function splitPngs(bytes: Uint8Array): Uint8Array[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const starts: number[] = [];
  for (let at = buffer.indexOf(SIGNATURE); at >= 0; at = nextPng(buffer, at)) starts.push(at);
  return starts.map((start, i) => buffer.subarray(start, starts[i + 1]));
}

/** Walks one PNG's chunks to the start of the next, −1 if there is none. */
function nextPng(buffer: Buffer, start: number): number {
  let at = start + SIGNATURE.length;
  while (at + 12 <= buffer.length) {
    const type = buffer.toString('latin1', at + 4, at + 8);
    at += 12 + buffer.readUInt32BE(at);
    if (type === 'IEND') return buffer.indexOf(SIGNATURE, at) === at ? at : -1;
  }
  return -1;
}
