// Frames of a video file, through ffmpeg where it is installed.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { LIMITS } from './limits.js';

const INSTALL = 'Install ffmpeg (with ffprobe), or give a folder of frames or an animated GIF.';

/**
 * Frames of a video, evenly spaced.
 * @returns each frame as a PNG
 * @throws {FastvError} `invalid-input` if ffmpeg is not installed or cannot read the file
 */
export async function videoFrames(path: string, count: number): Promise<Uint8Array[]> {
  const file = resolve(path);
  const probed = await call(
    'ffprobe',
    ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', file],
    path,
  );
  const seconds = Number(new TextDecoder().decode(probed).trim());
  if (!(seconds > 0)) {
    throw new FastvError('invalid-input', 'the video has no duration', { where: path, hint: INSTALL });
  }
  const filters = [`fps=${count}/${seconds}`, "scale='min(1024,iw)':-2"].join(',');
  const args = [
    '-nostdin',
    '-v',
    'error',
    '-protocol_whitelist',
    'file,pipe',
    '-i',
    file,
    '-an',
    '-vf',
    filters,
  ];
  const pngs = await call(
    'ffmpeg',
    [...args, '-frames:v', String(count), '-c:v', 'png', '-f', 'image2pipe', '-'],
    path,
  );
  const frames = splitPngs(pngs);
  if (frames.length === 0) throw new FastvError('invalid-input', 'the video has no frames', { where: path });
  return frames;
}

async function call(program: string, args: readonly string[], where: string): Promise<Uint8Array> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMITS.timeout });
    const chunks: Buffer[] = [];
    let size = 0;
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > LIMITS.bytes) child.kill();
      else chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 500) complaint += chunk.toString();
    });
    child.on('error', (cause) => {
      fail(
        new FastvError('invalid-input', `videos need ${program}, which is not installed`, {
          where,
          hint: INSTALL,
          cause,
        }),
      );
    });
    child.on('close', (code) => {
      if (code === 0) done(Buffer.concat(chunks));
      else {
        const reason = complaint.trim().split('\n')[0] ?? '';
        fail(
          new FastvError('invalid-input', `the video cannot be read: ${reason}`, { where, hint: INSTALL }),
        );
      }
    });
  });
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
