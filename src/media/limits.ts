// What a picture may cost. Every file is hostile: sizes are checked before pixels are decoded.
import { FastvError } from '../errors.js';

/** Limits on what is read. */
export const LIMITS = {
  /** A file, a download, or standard input, in bytes. */
  bytes: 256 * 1024 * 1024,
  /** Pixels of a picture as stored. A 50-megapixel photo passes. */
  pixels: 64_000_000,
  /** The same of a progressive JPEG or an interlaced PNG, which is held whole, six or eight bytes for each. */
  progressivePixels: 40_000_000,
  /** The same of AVIF: eighteen bytes for each and more, however few the file has. */
  avifPixels: 16_000_000,
  /** Pixels, as stored, of all frames that are taken of one video: decoding them takes time. */
  videoPixels: 1_000_000_000,
  /** Pixels, after decoding, of all frames of one video: they are shrunk to fit, for they are held at once. */
  heldPixels: 120_000_000,
  /** The longer side after decoding; larger pictures are shrunk. No image processor in use looks at more. */
  side: 4096,
  /** Frames taken of a video, unless the caller asks for another number. */
  frames: 8,
  /** The most frames that can be asked for. */
  maxFrames: 256,
  /** Pixels of a film's frame: 8K. */
  filmPixels: 40_000_000,
  /** Bytes of address space for ffmpeg: its libraries, and as many frames of a 4K film as a decoder may refer to. */
  filmMemory: 700 * 1024 * 1024,
  /** Milliseconds that any film gets, and bytes of a film for each millisecond more. */
  filmTime: 4_000,
  filmBytesPerMs: 1_000,
  /** Frames of a film whose bytes are counted out: 80 minutes. Of larger files the bytes explain the time. */
  filmFrames: 150_000,
  filmCounted: 64 * 1024 * 1024,
  /** Milliseconds for a download, or for ffmpeg at most. */
  timeout: 60_000,
  /** Seconds that one picture may take to decode. */
  decodeSeconds: 20,
} as const;

/** Pixels that may be decoded for one thing, a video or a dataset's row, however many pictures it has. */
export class PixelBudget {
  readonly #most: number;
  #left: number;

  constructor(most: number) {
    this.#most = most;
    this.#left = most;
  }

  /** Takes a picture's pixels, before it is decoded. @throws {FastvError} `invalid-input` if too few are left */
  take(pixels: number, where: string): void {
    this.#left -= pixels;
    if (this.#left >= 0) return;
    throw new FastvError(
      'invalid-input',
      `the pictures have more than ${this.#most / 1e6} megapixels in all`,
      {
        where,
        hint: 'Shrink them, or take fewer.',
      },
    );
  }
}
