/**
 * Images as datasets hold them (bytes, {bytes, path} records, paths into a folder, data URLs), decoded.
 * A path may not leave the folder, and neither bytes nor pixels may exceed `LIMITS`.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, resolve, sep } from 'node:path';
import sharp from 'sharp';
import { describe, LIMITS, rowError, type Row } from './row.js';

/** A decoded image. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGB, [height, width, 3]. */
  readonly data: Uint8Array;
  /** A hash of the pixels: equal pictures have equal keys, so features can be cached by it. */
  readonly key: string;
}

/** Makes a picture of RGB pixels. */
export function picture(width: number, height: number, data: Uint8Array): Picture {
  const key = createHash('sha256').update(`${width}x${height}\n`).update(data).digest('hex').slice(0, 32);
  return { width, height, data, key };
}

/**
 * The image that a field's value is.
 * @param folder where paths begin; without one, paths are refused
 * @throws FastvError `invalid-input` naming file, row and field
 */
export async function readPicture(
  row: Row,
  field: string,
  value: unknown,
  folder?: string,
): Promise<Picture> {
  const bytes = await imageBytes(row, field, value, folder);
  return decode(row, field, bytes);
}

/** The encoded bytes of the image that a field's value is. */
export async function imageBytes(
  row: Row,
  field: string,
  value: unknown,
  folder?: string,
): Promise<Uint8Array> {
  if (value instanceof Uint8Array) return checkSize(row, field, value);
  if (typeof value === 'string') {
    const data = /^data:image\/[\w.+-]+;base64,/.exec(value.slice(0, 64));
    if (data === null) return readInside(row, field, value, folder);
    if (value.length > 1.4 * LIMITS.image) throw tooLarge(row, field, value.length);
    return checkSize(row, field, Buffer.from(value.slice(data[0].length), 'base64'));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { bytes, path } = value as { bytes?: unknown; path?: unknown };
    if (bytes instanceof Uint8Array) return checkSize(row, `${field}.bytes`, bytes);
    if (typeof path === 'string' && path !== '') return readInside(row, `${field}.path`, path, folder);
  }
  throw rowError(row, field, `an image is needed, this is ${describe(value)}`);
}

/** A path inside a folder, symbolic links followed. @throws FastvError if it leads outside, or nowhere */
export async function insideFolder(row: Row, field: string, path: string, folder?: string): Promise<string> {
  if (folder === undefined) {
    throw rowError(row, field, 'the image is a path, and no image folder was given');
  }
  const outside = (): Error => rowError(row, field, 'the path leads outside the image folder');
  // a backslash is a separator somewhere, so it is never part of a name here
  if (path.length > 1000 || path.includes('\0') || path.includes('\\') || isAbsolute(path)) throw outside();
  const root = resolve(folder);
  const target = resolve(root, path);
  if (!target.startsWith(root + sep)) throw outside();
  try {
    const [realRoot, real] = await Promise.all([realpath(root), realpath(target)]);
    if (!real.startsWith(realRoot + sep)) throw outside();
    return real;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw rowError(
        row,
        field,
        `there is no file ${JSON.stringify(path.slice(0, 200))} in the image folder`,
        error,
      );
    }
    throw error;
  }
}

/** Decodes an image to RGB; transparency is laid over white, turned photographs are put upright. */
export async function decode(row: Row, field: string, bytes: Uint8Array, page?: number): Promise<Picture> {
  try {
    const { data, info } = await sharp(bytes, {
      limitInputPixels: LIMITS.pixels,
      failOn: 'error',
      ...(page === undefined ? {} : { page }),
    })
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .toColorspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return picture(info.width, info.height, info.channels === 3 ? data : gray(data));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw rowError(row, field, `not an image that can be decoded: ${message}`, error);
  }
}

/** How many pages (frames of a GIF) an image has. */
export async function pages(row: Row, field: string, bytes: Uint8Array): Promise<number> {
  try {
    return (await sharp(bytes, { limitInputPixels: LIMITS.pixels }).metadata()).pages ?? 1;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw rowError(row, field, `not an image that can be decoded: ${message}`, error);
  }
}

function gray(data: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(3 * data.length);
  data.forEach((v, i) => rgb.fill(v, 3 * i, 3 * i + 3));
  return rgb;
}

async function readInside(row: Row, field: string, path: string, folder?: string): Promise<Uint8Array> {
  const real = await insideFolder(row, field, path, folder);
  const { size } = await stat(real);
  if (size > LIMITS.image) throw tooLarge(row, field, size);
  return readFile(real);
}

function checkSize(row: Row, field: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length > LIMITS.image) throw tooLarge(row, field, bytes.length);
  return bytes;
}

function tooLarge(row: Row, field: string, size: number): Error {
  return rowError(row, field, `the image has ${size} bytes, at most ${LIMITS.image} are read`);
}
