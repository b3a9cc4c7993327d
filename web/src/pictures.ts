// Pictures: the bundled ones, files, and what the camera sees, all as pixels.
import type { Pixels } from './engine/types.js';

/** A bundled picture: a synthetic scene, with questions whose answers are known. */
export interface BundledPicture {
  readonly name: string;
  /** What it shows, for those who do not see it. */
  readonly alt: string;
  readonly file: string;
  readonly questions: readonly { readonly text: string; readonly answer: string }[];
}

/** A picture that can be asked about. */
export interface Picture {
  /** Of a bundled one; empty for one's own. */
  readonly name: string;
  readonly alt: string;
  readonly pixels: Pixels;
}

/** Pixels of a file that is taken. */
const MOST_PIXELS = 50_000_000;
/** Models see less; larger pictures are drawn smaller on the way. */
const LONGEST_SIDE = 1536;

/** What a visitor can mend. */
export class PictureError extends Error {}

/** Which pictures the page brings. */
export async function bundledPictures(): Promise<readonly BundledPicture[]> {
  const response = await fetch(new URL('pictures/index.json', document.baseURI));
  return (await response.json()) as readonly BundledPicture[];
}

/** One of them. */
export async function openBundled({ name, alt, file }: BundledPicture): Promise<Picture> {
  const response = await fetch(new URL(`pictures/${file}`, document.baseURI));
  return { name, alt, pixels: await decode(await response.blob()) };
}

/** A file of the visitor's. @throws {PictureError} for what is no picture, or too large a one */
export async function openFile(file: Blob): Promise<Picture> {
  return { name: '', alt: 'your picture', pixels: await decode(file) };
}

/** What the camera sees now. */
export function openFrame(video: HTMLVideoElement): Picture {
  return {
    name: '',
    alt: 'a picture of your camera',
    pixels: draw(video, video.videoWidth, video.videoHeight),
  };
}

async function decode(file: Blob): Promise<Pixels> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch {
    throw new PictureError(
      'This file is no picture that the browser can read. PNG, JPEG, WebP and AVIF are.',
    );
  }
  try {
    const { width, height } = bitmap;
    if (width * height > MOST_PIXELS)
      throw new PictureError(`This picture has ${width} × ${height} pixels; at most 50 million are taken.`);
    return draw(bitmap, width, height);
  } finally {
    bitmap.close();
  }
}

function draw(source: CanvasImageSource, width: number, height: number): Pixels {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const canvas = new OffscreenCanvas(w, h);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new PictureError('This browser gives the page no canvas.');
  // what is transparent is white, as on paper
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, w, h);
  context.drawImage(source, 0, 0, w, h);
  const { data } = context.getImageData(0, 0, w, h);
  return { data, width: w, height: h };
}
