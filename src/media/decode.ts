// Bytes to pixels, with sharp (libvips). The format is what the bytes say, never what the name says.
import sharp, { type Metadata } from 'sharp';
import { FastvError } from '../errors.js';
import { LIMITS } from './limits.js';

/** A decoded picture: RGB, 8 bits a channel, row by row. */
export interface Picture {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

const FORMATS: ReadonlySet<string> = new Set(['jpeg', 'png', 'webp', 'gif', 'heif']);
const HINT =
  'Images can be JPEG, PNG, WebP, GIF or AVIF; animated GIF, MP4 and folders of frames are videos.';

/**
 * Decodes a picture, or the frames of an animated one.
 * @param where the file's name, for errors
 * @param frames how many frames to take of an animated GIF or WebP, evenly spaced
 * @throws {FastvError} `invalid-input` if the bytes are no picture, are broken, or are too large
 */
export async function decodePictures(bytes: Uint8Array, where: string, frames: number): Promise<Picture[]> {
  const pages = (await metadataOf(bytes, where)).pages ?? 1;
  const pictures: Picture[] = [];
  for (const page of evenly(pages, Math.min(frames, pages)))
    pictures.push(await decodePage(bytes, where, page));
  return pictures;
}

async function metadataOf(bytes: Uint8Array, where: string): Promise<Metadata> {
  if (bytes.length === 0) throw new FastvError('invalid-input', 'the image is empty', { where, hint: HINT });
  let metadata: Metadata;
  try {
    metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    throw new FastvError('invalid-input', 'this is no image', { where, hint: HINT, cause });
  }
  const { format, width, height, pageHeight } = metadata;
  // SVG, PDF and the like are programs rather than pictures
  if (!FORMATS.has(format)) {
    throw new FastvError('invalid-input', `${format.toUpperCase()} is no image format that fastv reads`, {
      where,
      hint: HINT,
    });
  }
  if (width * (pageHeight ?? height) > LIMITS.pixels) {
    throw new FastvError('invalid-input', `the image has ${width} x ${pageHeight ?? height} pixels`, {
      where,
      hint: `At most ${LIMITS.pixels / 1e6} megapixels are read; shrink it first.`,
    });
  }
  return metadata;
}

async function decodePage(bytes: Uint8Array, where: string, page: number): Promise<Picture> {
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: LIMITS.pixels, page, failOn: 'error' })
      .rotate() // as the camera was held (EXIF)
      .resize({ width: LIMITS.side, height: LIMITS.side, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { data: toRgb(data, info.channels), width: info.width, height: info.height };
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw new FastvError('invalid-input', `the image is broken: ${reason}`, { where, hint: HINT, cause });
  }
}

function toRgb(data: Buffer, channels: number): Uint8ClampedArray {
  if (channels === 3) return new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
  const pixels = data.length / channels;
  const rgb = new Uint8ClampedArray(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) rgb[i * 3 + c] = data[i * channels + (channels < 3 ? 0 : c)] ?? 0;
  }
  return rgb;
}

/** `count` of the numbers 0 … n−1, evenly spaced, each the middle of its share. */
export function evenly(n: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * n) / count));
}
