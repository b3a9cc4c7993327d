// Where pictures come from: files, standard input, URLs (only if allowed), folders of frames, and videos.
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { FastvError } from '../errors.js';
import { fileError } from '../files/file-error.js';
import { readRegular } from '../files/read.js';
import { decodePicture, decodePictures, evenly, sideFor, type Picture } from './decode.js';
import { LIMITS, PixelBudget } from './limits.js';
import { videoFrames } from './video.js';

/** How to load. */
export interface LoadOptions {
  /** Frames to take of each video. */
  readonly frames?: number;
  /** Whether http(s) URLs may be fetched. */
  readonly allowNetwork?: boolean;
  readonly signal?: AbortSignal;
  /** Fetches URLs; default: the global one, which knows no proxy. What it throws as a `FastvError` is passed on. */
  readonly fetch?: (url: string, init: { readonly signal: AbortSignal }) => Promise<Response>;
}

/** One argument's pictures: one, or a video's frames in order. */
export interface LoadedMedia {
  readonly name: string;
  readonly pictures: readonly Picture[];
  /** Whether it is a video, of which frames were taken: a film, a folder, an animated picture. */
  readonly video: boolean;
}

const IMAGE_NAMES = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.avif']);
const VIDEO_NAMES = new Set(['.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi']);

/**
 * Loads one argument: a path, a folder of frames, `-` for standard input, or a URL.
 * @throws {FastvError} `invalid-input` or `io`
 */
export async function loadMedia(source: string, options: LoadOptions = {}): Promise<LoadedMedia> {
  const frames = Math.min(options.frames ?? LIMITS.frames, LIMITS.maxFrames);
  if (source === '-') {
    return encoded(await readStdin(), { name: 'standard input', where: 'standard input', frames });
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//iu.test(source)) {
    return encoded(await download(source, options), { name: source, where: source, frames });
  }
  const found = await stat(source).catch((cause: unknown) => {
    throw new FastvError('invalid-input', 'there is no such image', {
      where: source,
      hint: 'Give a file, a folder of frames, - for standard input, or a URL with --allow-network.',
      cause,
    });
  });
  if (found.isDirectory()) {
    return { name: basename(source), pictures: await folderFrames(source, frames), video: true };
  }
  if (!found.isFile()) {
    throw new FastvError('invalid-input', 'this is neither a file nor a folder', { where: source });
  }
  if (VIDEO_NAMES.has(extname(source).toLowerCase())) {
    const pngs = await videoFrames(source, frames);
    return { name: basename(source), pictures: await decodeAll(pngs, source), video: true };
  }
  return encoded(await readImage(source), { name: basename(source), where: source, frames });
}

/** The pictures of a file's bytes: one, or the frames of an animated one. */
async function encoded(
  bytes: Uint8Array,
  { name, where, frames }: { readonly name: string; readonly where: string; readonly frames: number },
): Promise<LoadedMedia> {
  const { pictures, pages } = await decodePictures(bytes, where, frames);
  return { name, pictures, video: pages > 1 };
}

async function folderFrames(folder: string, frames: number): Promise<Picture[]> {
  const entries = await readdir(folder).catch((cause: unknown) => {
    throw fileError('read', folder, cause, 'invalid-input');
  });
  const names = entries
    .filter((name) => IMAGE_NAMES.has(extname(name).toLowerCase()))
    .sort(new Intl.Collator('en', { numeric: true }).compare);
  if (names.length === 0) {
    throw new FastvError('invalid-input', 'the folder holds no images', { where: folder });
  }
  const chosen = evenly(names.length, Math.min(frames, names.length)).map((i) =>
    join(folder, names[i] ?? ''),
  );
  const side = sideFor(chosen.length);
  const budget = new PixelBudget(LIMITS.videoPixels);
  // a frame may be no link out of the folder: it may be a stranger's
  const roots = [await realpath(folder)];
  const pictures: Picture[] = [];
  for (const path of chosen) {
    pictures.push(await decodePicture(await readImage(path, roots), path, { side, budget }));
  }
  return pictures;
}

/** Frames, shrunk to what may be held of so many. */
async function decodeAll(frames: readonly Uint8Array[], where: string): Promise<Picture[]> {
  const side = sideFor(frames.length);
  const budget = new PixelBudget(LIMITS.videoPixels);
  const pictures: Picture[] = [];
  for (const frame of frames) pictures.push(await decodePicture(frame, where, { side, budget }));
  return pictures;
}

function readImage(path: string, roots?: readonly string[]): Promise<Uint8Array> {
  return readRegular(path, LIMITS.bytes, {
    code: 'invalid-input',
    tooLarge: () => tooLarge(path),
    ...(roots === undefined ? {} : { roots }),
  });
}

async function readStdin(): Promise<Uint8Array> {
  if (process.stdin.isTTY) {
    throw new FastvError('invalid-input', 'no image comes from standard input', {
      where: '-',
      hint: 'Pipe one in: cat photo.jpg | fastv run - "What is this?"',
    });
  }
  return collect(process.stdin, 'standard input');
}

async function download(
  url: string,
  { allowNetwork = false, signal, fetch: get = fetch }: LoadOptions,
): Promise<Uint8Array> {
  if (!/^https?:/iu.test(url)) {
    throw new FastvError('invalid-input', 'only http and https URLs are fetched', { where: url });
  }
  if (!allowNetwork) {
    throw new FastvError('invalid-input', 'fetching a URL needs permission', {
      where: url,
      hint: 'Add --allow-network.',
    });
  }
  const limit = AbortSignal.timeout(LIMITS.timeout);
  try {
    const response = await get(url, {
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new FastvError('io', `the server answers ${response.status}`, { where: url });
    }
    if (response.body === null) throw new FastvError('io', 'the server answers nothing', { where: url });
    return await collect(response.body, url);
  } catch (cause) {
    if (cause instanceof FastvError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FastvError('io', `the image cannot be fetched: ${reason}`, { where: url, cause });
  }
}

async function collect(stream: AsyncIterable<unknown>, where: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) continue;
    size += chunk.length;
    if (size > LIMITS.bytes) throw tooLarge(where);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(where: string): FastvError {
  return new FastvError('invalid-input', `the image is larger than ${LIMITS.bytes / 2 ** 20} MB`, { where });
}
