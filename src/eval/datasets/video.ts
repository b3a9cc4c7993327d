/**
 * Frames of a video: an animated GIF or WebP, or a folder of frames beside the questions. Films (mp4,
 * avi) are not decoded here: their frames are made once with a tool that can.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decode, insideFolder, pages, type Picture } from './picture.js';
import { LIMITS, rowError, type Row } from './row.js';

const ANIMATED = ['', '.gif', '.webp'];
const FRAME = /\.(?:png|jpe?g|webp)$/i;

/**
 * `count` frames of a video, evenly spread, first and last included; all of them if there are fewer.
 * @param name the video's name in the dataset, with or without its extension
 * @throws FastvError `invalid-input` naming file, row and field
 */
export async function readFrames(
  row: Row,
  field: string,
  name: string,
  count: number,
  folder?: string,
): Promise<readonly Picture[]> {
  const stem = name.replace(/\.(?:mp4|avi|mkv|webm|mov)$/i, '');
  for (const candidate of [stem, ...ANIMATED.map((extension) => stem + extension)]) {
    let path: string;
    try {
      path = await insideFolder(row, field, candidate, folder);
    } catch (error) {
      if (error instanceof Error && error.cause !== undefined) continue; // absent; other refusals have no cause
      throw error;
    }
    const info = await stat(path);
    if (info.isDirectory()) {
      const frames = (await readdir(path)).filter((f) => FRAME.test(f)).sort();
      if (frames.length === 0) throw rowError(row, field, 'the folder of the video has no frames');
      const read = async (frame: string): Promise<Picture> => {
        const inside = await insideFolder(row, field, `${candidate}/${frame}`, folder);
        if ((await stat(inside)).size > LIMITS.image) throw rowError(row, field, 'a frame is too large');
        return decode(row, field, await readFile(inside));
      };
      return Promise.all(spread(frames.length, count).map((i) => read(frames[i] ?? '')));
    }
    if (info.size > LIMITS.image) throw rowError(row, field, `the video has ${info.size} bytes, too many`);
    const bytes = await readFile(path);
    const total = await pages(row, field, bytes);
    return Promise.all(spread(total, count).map((page) => decode(row, field, bytes, page)));
  }
  throw rowError(
    row,
    field,
    `no frames of ${JSON.stringify(name.slice(0, 100))}: a GIF, or a folder of images named like the video, is needed` +
      (folder === undefined
        ? ''
        : `; for films: ffmpeg -i ${join('…', stem.slice(0, 60))}.mp4 -vf fps=2 <folder>/%04d.jpg`),
  );
}

/** `count` of `total` positions, evenly spread from the first to the last. */
export function spread(total: number, count: number): number[] {
  if (total <= count) return Array.from({ length: total }, (_, i) => i);
  if (count === 1) return [Math.floor(total / 2)];
  return Array.from({ length: count }, (_, i) => Math.round((i * (total - 1)) / (count - 1)));
}
