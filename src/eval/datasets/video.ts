/**
 * Frames of a video: an animated GIF or WebP, a folder of frames beside the questions, or a film, which
 * ffmpeg decodes.
 */
import { readdir, stat } from 'node:fs/promises';
import { FastvError } from '../../errors.js';
import { fileCode } from '../../files/file-error.js';
import { videoFrames } from '../../media/video.js';
import { decode, insideFolder, openImage, readInside, rowBudget, type Picture } from './picture.js';
import { rowError, whereOf, type Row } from './row.js';

const ANIMATED = ['', '.gif', '.webp'];
const FILMS = ['.mp4', '.avi', '.mkv', '.webm', '.mov', '.m4v'];
const FRAME = /\.(?:png|jpe?g|webp)$/i;

/**
 * `count` frames of a video, evenly spread; all of them if there are fewer. Of GIFs and folders the first
 * and the last are among them.
 * @param name the video's name in the dataset, with or without its extension
 * @param folder where the dataset lies
 * @param places folders in it where its videos are, tried after `folder` itself
 * @throws FastvError `invalid-input` naming file, row and field; `io` if a film needs ffmpeg and there is none
 */
export async function readFrames(
  row: Row,
  field: string,
  name: string,
  count: number,
  folder?: string,
  places: readonly string[] = [],
): Promise<readonly Picture[]> {
  const stem = name.replace(/\.(?:mp4|m4v|avi|mkv|webm|mov|gif)$/i, '');
  for (const place of ['', ...places.map((p) => `${p}/`)]) {
    for (const extension of [...ANIMATED, ...FILMS]) {
      const candidate = place + stem + extension;
      const path = await existing(row, field, candidate, folder);
      if (path === null) continue;
      if (FILMS.includes(extension)) return filmFrames(row, field, path, count);
      const info = await stat(path).catch(() => undefined);
      if (info?.isDirectory() === true) return folderFrames(row, field, candidate, path, count, folder);
      const image = await openImage(row, field, await readInside(row, field, candidate, folder));
      const frames: Picture[] = [];
      for (const page of spread(image.pages, count)) frames.push(await image.decode(page));
      return frames;
    }
  }
  const looked = ['the folder of the dataset', ...places.map((p) => JSON.stringify(p))].join(', ');
  throw rowError(
    row,
    field,
    `there is no video ${JSON.stringify(name.slice(0, 100))} in ${looked}: ` +
      `a film (${FILMS.join(', ')}), a GIF, or a folder of images named like it is needed; see --images`,
  );
}

/** A path, or null where there is nothing. @throws FastvError for one that leads outside, or cannot be a path */
async function existing(
  row: Row,
  field: string,
  path: string,
  folder: string | undefined,
): Promise<string | null> {
  try {
    return await insideFolder(row, field, path, folder);
  } catch (error) {
    // a name that leads through a file leads nowhere
    const code = error instanceof Error ? fileCode(error.cause) : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

async function folderFrames(
  row: Row,
  field: string,
  name: string,
  path: string,
  count: number,
  folder?: string,
): Promise<Picture[]> {
  const names = await readdir(path).catch((cause: unknown) => {
    throw rowError(row, field, 'the folder of the video cannot be read', cause);
  });
  const frames = names.filter((f) => FRAME.test(f)).sort();
  if (frames.length === 0) throw rowError(row, field, 'the folder of the video has no frames');
  const budget = rowBudget();
  const pictures: Picture[] = [];
  for (const i of spread(frames.length, count)) {
    const bytes = await readInside(row, field, `${name}/${frames[i] ?? ''}`, folder);
    pictures.push(await decode(row, field, bytes, budget));
  }
  return pictures;
}

async function filmFrames(row: Row, field: string, path: string, count: number): Promise<Picture[]> {
  let pngs: readonly Uint8Array[];
  try {
    pngs = await videoFrames(path, count);
  } catch (error) {
    if (!(error instanceof FastvError)) throw error;
    const { cause, message } = error;
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      // not the row's fault, so no row is skipped for it
      throw new FastvError('io', message, {
        where: whereOf(row, field),
        hint: error.hint ?? 'Install ffmpeg (with ffprobe).',
        cause,
      });
    }
    throw rowError(row, field, message, error);
  }
  const budget = rowBudget();
  const frames: Picture[] = [];
  for (const png of pngs) frames.push(await decode(row, field, png, budget));
  return frames;
}

/** `count` of `total` positions, evenly spread from the first to the last. */
export function spread(total: number, count: number): number[] {
  if (total <= count) return Array.from({ length: total }, (_, i) => i);
  if (count === 1) return [Math.floor(total / 2)];
  return Array.from({ length: count }, (_, i) => Math.round((i * (total - 1)) / (count - 1)));
}
