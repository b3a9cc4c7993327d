// The pictures of a request: from data URLs, from files below one folder, and from the web where that is allowed. What
// they may cost is counted before they are decoded.
import { createHash } from 'node:crypto';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readRegular } from '../files/read.js';
import { evenly, openPicture, sideFor, type EncodedPicture, type Picture } from '../media/decode.js';
import { formatOf, IMAGE_FORMATS } from '../media/format.js';
import { PixelBudget } from '../media/limits.js';
import { videoFrames } from '../media/video.js';
import { apiError, badRequest } from './api-error.js';
import type { ServerLimits } from './limits.js';
import type { PublicFetch } from './public-fetch.js';

/** A picture and what it is known by. */
export interface KnownPicture {
  readonly picture: Picture;
  /** Of its pixels. */
  readonly hash: string;
}

/** Where pictures may come from. */
export interface PictureSources {
  readonly limits: ServerLimits;
  /** undefined: nothing is fetched. */
  readonly web: PublicFetch | undefined;
  /** The folder of `file:` URLs; undefined: there are none. */
  readonly mediaRoot: string | undefined;
}

/** Loads the pictures of one request. */
export class RequestPictures {
  readonly #sources: PictureSources;
  readonly #signal: AbortSignal;
  readonly #budget: PixelBudget;
  #count = 0;

  constructor(sources: PictureSources, signal: AbortSignal) {
    this.#sources = sources;
    this.#signal = signal;
    this.#budget = new PixelBudget(Math.floor(sources.limits.decodedBytes / 3));
  }

  /**
   * One picture.
   * @param param the field with the URL, for errors
   * @param side the longer side that it is shrunk to, if it is to be
   * @throws {ApiError} 400
   */
  async image(url: string, param: string, side?: number): Promise<KnownPicture> {
    this.#take(1, param);
    const image = await opened(await this.#bytes(url, param), param);
    return this.#decode(image, param, side === undefined ? {} : { side });
  }

  /** Frames of a video: of an animated GIF or WebP, or of a film where ffmpeg is installed. @throws {ApiError} 400 */
  async video(url: string, param: string, side = Infinity): Promise<KnownPicture[]> {
    const bytes = await this.#bytes(url, param);
    const frames = IMAGE_FORMATS.has(formatOf(bytes) ?? '')
      ? this.#pages(await opened(bytes, param))
      : await this.#film(bytes, param);
    this.#take(frames.length, param);
    const most = Math.min(side, sideFor(frames.length));
    const known: KnownPicture[] = [];
    for (const { image, page } of frames) known.push(await this.#decode(image, param, { page, side: most }));
    return known;
  }

  #pages(image: EncodedPicture): Frame[] {
    const count = Math.min(this.#sources.limits.frames, image.pages);
    return evenly(image.pages, count).map((page) => ({ image, page }));
  }

  #take(count: number, param: string): void {
    const { images } = this.#sources.limits;
    this.#count += count;
    if (this.#count > images)
      throw badRequest(`the request has more than ${images} pictures`, param, 'too_many_images');
  }

  async #decode(
    image: EncodedPicture,
    param: string,
    options: { readonly side?: number; readonly page?: number },
  ): Promise<KnownPicture> {
    this.#signal.throwIfAborted();
    const { imagePixels: pixels } = this.#sources.limits;
    try {
      const picture = await image.decode({ ...options, pixels, budget: this.#budget });
      const { width, height, data } = picture;
      const hash = createHash('sha256').update(`${width}x${height}\n`).update(data).digest('base64');
      return { picture, hash };
    } catch (error) {
      throw apiError(error, param);
    }
  }

  async #bytes(url: string, param: string): Promise<Uint8Array> {
    const { web, mediaRoot, limits } = this.#sources;
    if (url.startsWith('data:')) return dataBytes(url, param);
    if (/^https?:/iu.test(url)) {
      if (web === undefined) {
        throw badRequest('this server fetches nothing: send the picture as a data URL', param);
      }
      return web.bytes(url, limits.bodyBytes, this.#signal, param);
    }
    if (/^file:/iu.test(url) && mediaRoot !== undefined)
      return fileBytes(url, mediaRoot, limits.bodyBytes, param);
    throw badRequest('a picture is given as a data URL: data:image/png;base64,…', param);
  }

  /** ffmpeg reads files, so that a film becomes one for a moment. */
  async #film(bytes: Uint8Array, param: string): Promise<Frame[]> {
    const folder = await mkdtemp(join(tmpdir(), 'fastv-film-'));
    let pngs: readonly Uint8Array[];
    try {
      const path = join(folder, 'film');
      await writeFile(path, bytes, { mode: 0o600 });
      pngs = await videoFrames(path, this.#sources.limits.frames);
    } catch {
      // what ffmpeg says names the file
      throw badRequest(
        'this is no video that can be read here: MP4, MOV, MKV, WebM and AVI need ffmpeg, animated GIF and WebP nothing',
        param,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return Promise.all(pngs.map(async (png) => ({ image: await opened(png, param), page: 0 })));
  }
}

/** A frame of a video, before it is decoded. */
interface Frame {
  readonly image: EncodedPicture;
  readonly page: number;
}

/** @throws {ApiError} 400 */
function opened(bytes: Uint8Array, param: string): Promise<EncodedPicture> {
  return openPicture(bytes, param).catch((error: unknown) => {
    throw apiError(error, param);
  });
}

const DATA_URL = /^data:[\w.+/-]*(?:;[\w.+=-]*)*;base64,/u;

/** @throws {ApiError} 400 */
export function dataBytes(url: string, param: string): Uint8Array {
  const [head = ''] = DATA_URL.exec(url.slice(0, 256)) ?? [];
  if (head === '') throw badRequest('this is no data URL in base64: data:image/png;base64,…', param);
  const base64 = url.slice(head.length);
  const bytes = Buffer.from(base64, 'base64');
  // Buffer leaves out what is no base64, and says nothing
  if (base64.length % 4 !== 0 || bytes.length !== Buffer.byteLength(base64, 'base64') || bytes.length === 0)
    throw badRequest('the data URL is broken: its base64 cannot be read', param);
  return bytes;
}

async function fileBytes(url: string, root: string, most: number, param: string): Promise<Uint8Array> {
  try {
    return await readRegular(fileURLToPath(url), most, { roots: [await realpath(root)] });
  } catch {
    // the same whether it is absent or outside, so that nobody learns what is there
    throw badRequest('there is no such file below the media root, or it is too large', param);
  }
}
