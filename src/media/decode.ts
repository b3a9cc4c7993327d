// Bytes to pixels, with sharp (libvips). The format is what the bytes say, never what the name says.
import sharp, { type Metadata } from 'sharp';
import { FastvError } from '../errors.js';
import { formatOf, IMAGE_FORMATS } from './format.js';
import { LIMITS, PixelBudget } from './limits.js';

/** A decoded picture: RGB, 8 bits a channel, row by row. */
export interface Picture {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** What decoding a picture may cost. */
export interface DecodeLimits {
  /** Pixels of one picture as stored; default {@link LIMITS}. */
  readonly pixels?: number;
  /** What all pictures of the same thing share. */
  readonly budget?: PixelBudget;
  /** The longer side after decoding; larger pictures are shrunk. */
  readonly side?: number;
  /** The frame of an animated picture; default: the first. */
  readonly page?: number;
}

const HINT =
  'Images can be JPEG, PNG, WebP, GIF or AVIF; animated GIF, MP4 and folders of frames are videos.';

/** What to do about formats that people have. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ['HEIC', 'Convert it to JPEG first: heif-convert photo.heic photo.jpg, or on a Mac, export it as JPEG.'],
  ['MP4', 'Films end in .mp4, .m4v, .mov, .mkv, .webm or .avi, and need ffmpeg.'],
]);

/** A picture whose header was read: how many frames it has, and the pixels of one. */
export interface EncodedPicture {
  readonly pages: number;
  readonly width: number;
  readonly height: number;
  /**
   * Decodes it, or one of its frames, to RGB: upright, as the camera was held (EXIF), transparency over white.
   * @throws {FastvError} `invalid-input` if it is broken, or too large
   */
  decode(limits?: DecodeLimits): Promise<Picture>;
}

/**
 * Decodes a picture, or the frames of an animated one, which are shrunk to what may be held of all.
 * @param where the file's name, for errors
 * @param frames how many frames to take of an animated GIF or WebP, evenly spaced
 * @returns the frames that were taken, and how many there are
 * @throws {FastvError} `invalid-input` if the bytes are no picture, are broken, or are too large
 */
export async function decodePictures(
  bytes: Uint8Array,
  where: string,
  frames: number,
): Promise<{ pictures: Picture[]; pages: number }> {
  const encoded = await openPicture(bytes, where);
  const { pages } = encoded;
  const wanted = evenly(pages, Math.min(frames, pages));
  const side = sideFor(wanted.length);
  const budget = new PixelBudget(LIMITS.videoPixels);
  const pictures: Picture[] = [];
  for (const page of wanted) pictures.push(await encoded.decode({ page, side, budget }));
  return { pictures, pages };
}

/** The longer side of pictures of which so many are held at once. */
export function sideFor(count: number): number {
  return Math.min(LIMITS.side, Math.floor(Math.sqrt(LIMITS.heldPixels / Math.max(1, count))));
}

/**
 * Looks at a picture without decoding it.
 * @throws {FastvError} `invalid-input` if the bytes are no picture that is read here
 */
export async function openPicture(bytes: Uint8Array, where: string): Promise<EncodedPicture> {
  if (bytes.length === 0) throw new FastvError('invalid-input', 'the image is empty', { where, hint: HINT });
  const format = formatOf(bytes);
  if (format === undefined) throw new FastvError('invalid-input', 'this is no image', { where, hint: HINT });
  if (!IMAGE_FORMATS.has(format)) throw unread(format, where);
  let metadata: Metadata;
  try {
    metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    throw broken(where, cause);
  }
  // a file may look like one format to us and like another to libvips
  if (metadata.format !== (format === 'AVIF' ? 'heif' : format.toLowerCase()))
    throw unread(metadata.format, where);
  const { width, height, pageHeight = height, pages = 1, isProgressive } = metadata;
  const size = { width, height: pageHeight };
  const { pixels: plain, progressivePixels, avifPixels } = LIMITS;
  const most = format === 'AVIF' ? avifPixels : isProgressive ? progressivePixels : plain;
  return {
    pages,
    ...size,
    decode: ({ pixels = most, ...limits } = {}) =>
      decoded(bytes, where, size, { ...limits, pixels: Math.min(pixels, most) }),
  };
}

/**
 * Decodes a picture, of an animated one the first frame.
 * @throws {FastvError} `invalid-input` if the bytes are no picture, are broken, or are too large
 */
export async function decodePicture(
  bytes: Uint8Array,
  where: string,
  limits: DecodeLimits = {},
): Promise<Picture> {
  return (await openPicture(bytes, where)).decode(limits);
}

async function decoded(
  bytes: Uint8Array,
  where: string,
  { width, height }: Pick<EncodedPicture, 'width' | 'height'>,
  { pixels, budget, side = LIMITS.side, page = 0 }: DecodeLimits & { readonly pixels: number },
): Promise<Picture> {
  if (width * height > pixels) {
    throw new FastvError('invalid-input', `the image has ${width} x ${height} pixels`, {
      where,
      hint: `At most ${pixels / 1e6} megapixels are read; shrink it first.`,
    });
  }
  budget?.take(width * height, where);
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: pixels, page, failOn: 'error' })
      .autoOrient()
      .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .timeout({ seconds: LIMITS.decodeSeconds })
      .toBuffer({ resolveWithObject: true });
    return { data: toRgb(data, info.channels), width: info.width, height: info.height };
  } catch (cause) {
    throw broken(where, cause);
  }
}

function unread(format: string, where: string): FastvError {
  const message = `${format} is no image format that fastv reads`;
  return new FastvError('invalid-input', message, { where, hint: HINTS.get(format) ?? HINT });
}

function broken(where: string, cause: unknown): FastvError {
  const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
  return new FastvError('invalid-input', `the image is broken: ${reason}`, { where, hint: HINT, cause });
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
