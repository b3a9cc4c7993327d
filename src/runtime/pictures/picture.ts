// Transformers.js's image, resized and cropped as Hugging Face's processors do it with Pillow: its own image processors,
// which call these methods, then give Hugging Face's pixels.
import { RawImage } from '@huggingface/transformers';
import { FastvError } from '../../errors.js';
import { knowsFilter, resample, type Bytes } from './resample.js';

/** An RGB picture, in bytes. */
export class Picture extends RawImage {
  /** A picture of bytes. */
  static of({ data, width, height, channels }: Bytes): Picture {
    return new Picture(data, width, height, channels as 1 | 2 | 3 | 4);
  }

  /** A picture of an image of Transformers.js's; itself, if it is one. */
  static from(image: RawImage): Picture {
    return image instanceof Picture ? image : Picture.of(image.rgb());
  }

  get #bytes(): Bytes {
    return {
      data: this.data,
      width: this.width,
      height: this.height,
      channels: this.channels,
    };
  }

  /**
   * The picture in another size.
   * @param options.resample Pillow's number of a filter; those that Pillow smooths with are done as Pillow does
   */
  override async resize(
    width: number,
    height: number,
    { resample: filter = 2 }: { resample?: number | string } = {},
  ): Promise<Picture> {
    if (width === this.width && height === this.height) return this;
    if (typeof filter !== 'number' || !knowsFilter(filter)) {
      const { data, channels, ...size } = await super.resize(width, height, { resample: filter as 0 });
      return new Picture(data, size.width, size.height, channels);
    }
    if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
      throw new FastvError('invalid-input', `a picture of ${width} × ${height} pixels cannot be made`, {
        where: `picture of ${this.width} × ${this.height}`,
        hint: 'It is too thin for this model: crop it, or pad it.',
      });
    }
    return Promise.resolve(Picture.of(resample(this.#bytes, width, height, filter)));
  }

  /** The middle of it; black where it is smaller. */
  override async center_crop(width: number, height: number): Promise<Picture> {
    const [left, top] = [Math.floor((this.width - width) / 2), Math.floor((this.height - height) / 2)];
    return Promise.resolve(this.window(left, top, width, height));
  }

  /** A part of it, from `left` and `top`, which may be negative; black beyond its edges. */
  window(left: number, top: number, width: number, height: number): Picture {
    if (left === 0 && top === 0 && width === this.width && height === this.height) return this;
    const { data, channels } = this.#bytes;
    const out = new Uint8ClampedArray(width * height * channels);
    const [from, to] = [Math.max(0, -left), Math.min(width, this.width - left)];
    for (let y = Math.max(0, -top); y < Math.min(height, this.height - top) && from < to; y++) {
      const row = (y + top) * this.width + left;
      out.set(data.subarray((row + from) * channels, (row + to) * channels), (y * width + from) * channels);
    }
    return Picture.of({ data: out, width, height, channels });
  }
}
