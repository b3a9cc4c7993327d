/**
 * Images as datasets hold them (bytes, {bytes, path} records, paths into a folder, data URLs), decoded.
 * A path may not leave the folder, and neither bytes nor pixels may exceed `LIMITS`. The formats are those of
 * `src/media`: of a stranger's bytes no others are handed to a decoder.
 */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { isAbsolute, resolve, sep } from 'node:path';
import { FastvError } from '../../errors.js';
import { fileCode } from '../../files/file-error.js';
import { liesIn, readRegular } from '../../files/read.js';
import { openPicture } from '../../media/decode.js';
import { PixelBudget } from '../../media/limits.js';
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

/** What all pictures of one row share. */
export function rowBudget(): PixelBudget {
  return new PixelBudget(LIMITS.rowPixels);
}

/**
 * The image that a field's value is.
 * @param folder where paths begin; without one, paths are refused
 * @param budget of its row; default: one of its own
 * @throws FastvError `invalid-input` naming file, row and field
 */
export async function readPicture(
  row: Row,
  field: string,
  value: unknown,
  folder?: string,
  budget = rowBudget(),
): Promise<Picture> {
  return decode(row, field, await imageBytes(row, field, value, folder), budget);
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
  const [realRoot, real] = await Promise.all([realpath(root), realpath(target)]).catch((cause: unknown) => {
    throw unreadable(row, field, path, cause);
  });
  if (!liesIn(real, realRoot)) throw outside();
  return real;
}

/** An image whose header was read: how many pages it has (frames of a GIF), and what each of them shows. */
export interface EncodedImage {
  readonly pages: number;
  decode(page?: number): Promise<Picture>;
}

/** Looks at an image; its pages share a budget. */
export async function openImage(
  row: Row,
  field: string,
  bytes: Uint8Array,
  budget = rowBudget(),
): Promise<EncodedImage> {
  const image = await readable(row, field, openPicture(bytes, ''));
  return {
    pages: image.pages,
    decode: async (page = 0) => {
      const decoded = await readable(row, field, image.decode({ pixels: LIMITS.pixels, page, budget }));
      const { width, height, data } = decoded;
      return picture(width, height, new Uint8Array(data.buffer, data.byteOffset, data.length));
    },
  };
}

/** Decodes an image to RGB; transparency is laid over white, turned photographs are put upright. */
export async function decode(
  row: Row,
  field: string,
  bytes: Uint8Array,
  budget = rowBudget(),
): Promise<Picture> {
  return (await openImage(row, field, bytes, budget)).decode();
}

async function readable<T>(row: Row, field: string, work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw rowError(row, field, `not an image that can be decoded: ${message}`, cause);
  });
}

/**
 * The bytes of a file inside a folder.
 * @throws FastvError `invalid-input` naming file, row and field: absent, outside, no regular file, or too large
 */
export async function readInside(
  row: Row,
  field: string,
  path: string,
  folder?: string,
): Promise<Uint8Array> {
  const real = await insideFolder(row, field, path, folder);
  const roots = folder === undefined ? {} : { roots: [await realpath(folder)] };
  const options = { ...roots, tooLarge: (size: number) => tooLarge(row, field, size) };
  return readRegular(real, LIMITS.image, options).catch((cause: unknown) => {
    if (cause instanceof FastvError && cause.where?.startsWith(row.file) === true) throw cause;
    throw unreadable(row, field, path, cause);
  });
}

/** What the file system says of a path, as the row's fault: the row can be skipped, and no real path is told. */
function unreadable(row: Row, field: string, path: string, cause: unknown): FastvError {
  const origin = cause instanceof FastvError ? cause.cause : cause;
  const code = fileCode(origin);
  const name = JSON.stringify(path.slice(0, 200));
  if (code === 'ENOENT') return rowError(row, field, `there is no file ${name} in the image folder`, origin);
  const why = code ?? 'it is a folder, a pipe or a device';
  return rowError(row, field, `the file ${name} cannot be read: ${why}`, origin ?? cause);
}

function checkSize(row: Row, field: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length > LIMITS.image) throw tooLarge(row, field, bytes.length);
  return bytes;
}

function tooLarge(row: Row, field: string, size: number): FastvError {
  return rowError(row, field, `the image has ${size} bytes, at most ${LIMITS.image} are read`);
}
