// LLaVA's processors, for one picture and for several: plain, in tiles (LLaVA-NeXT, LLaVA-OneVision, InternVL), row by row
// (Mistral 3), and with videos (Video-LLaVA). Transformers.js 4.3 has the first and, for one size, the rows alone, and
// expands only the first picture of a text.
//
// They are called as its LlavaProcessor is: processor(images, text, options).
import { cat, LlavaProcessor, Tensor, type RawImage } from '@huggingface/transformers';
import { FastvError } from '../../errors.js';
import { isRecord } from '../transformers.js';
import { croppedTiles } from './cropped.js';
import { anyresOf, tilesOf, tokenMap, type Anyres } from './anyres.js';
import { Picture } from './picture.js';

/** Tensors by their names. */
type Inputs = Record<string, Tensor>;

/** What an image processor makes of pictures of one size. */
type ImageProcessor = (images: readonly RawImage[]) => Promise<{ pixel_values: Tensor }>;

/** Pictures as the model takes them, and the text that stands for each. */
export interface Expanded {
  readonly inputs: Inputs;
  readonly texts: readonly string[];
}

/** Options of a call; those that are not named go to the tokenizer. */
export interface LlavaOptions {
  readonly [option: string]: unknown;
  /** Frames of videos, in order (Video-LLaVA). */
  readonly videos?: readonly (readonly RawImage[])[];
}

/** LLaVA's processor, for any number of pictures. */
export class EveryImageProcessor extends LlavaProcessor {
  /**
   * The inputs of a call.
   * @param images the pictures of all texts, in order
   * @throws {FastvError} `invalid-input` if there are more or fewer places in the text than pictures
   */
  override async _call(
    images: RawImage | RawImage[] | null,
    text: string | string[] | null = null,
    { videos = [], ...options }: LlavaOptions = {},
  ): Promise<Inputs> {
    const pictures = images === null ? [] : [images].flat().map((image) => Picture.from(image));
    const media = await this.media(
      pictures,
      videos.map((frames) => frames.map((image) => Picture.from(image))),
    );
    const inputs = Object.assign({}, ...media.map(({ expanded }) => expanded.inputs)) as Inputs;
    if (text === null) return inputs;
    let texts = [text].flat();
    for (const { token, expanded } of media) texts = expand(texts, token, expanded.texts);
    const tokenize = this.tokenizer as unknown as (text: unknown, options: unknown) => Inputs;
    return { ...inputs, ...tokenize(Array.isArray(text) ? texts : (texts[0] ?? ''), options) };
  }

  /** What the call brings, by the token that stands for it. */
  protected async media(
    pictures: readonly Picture[],
    videos: readonly (readonly Picture[])[],
  ): Promise<{ readonly token: string; readonly expanded: Expanded }[]> {
    if (videos.length > 0) {
      throw new FastvError('invalid-input', 'this model takes no videos', {
        where: 'videos',
        hint: 'Give the frames as pictures.',
      });
    }
    const expanded = pictures.length === 0 ? { inputs: {}, texts: [] } : await this.pictures(pictures);
    return [{ token: this.imageToken, expanded }];
  }

  /** Pictures, brought to one size. */
  protected async pictures(pictures: readonly Picture[]): Promise<Expanded> {
    const { pixel_values } = await this.process(pictures);
    const [height = 0, width = 0] = pixel_values.dims.slice(-2);
    const count = this.patches(height, width) + this.number('num_additional_image_tokens');
    return { inputs: { pixel_values }, texts: pictures.map(() => this.imageToken.repeat(count)) };
  }

  /** What stands for a token of a picture, and before it is expanded for a picture. */
  protected get imageToken(): string {
    return this.text('image_token', '<image>');
  }

  /** Pictures through the image processor. */
  protected process(pictures: readonly RawImage[]): Promise<{ pixel_values: Tensor }> {
    return (this.image_processor as unknown as ImageProcessor)(pictures);
  }

  /** The patches of a picture of a size. */
  protected patches(height: number, width: number): number {
    const patch = this.number('patch_size');
    return Math.floor(height / patch) * Math.floor(width / patch);
  }

  protected number(name: string): number {
    const value = this.#config[name];
    return typeof value === 'number' ? value : 0;
  }

  protected text(name: string, otherwise: string): string {
    const value = this.#config[name];
    return typeof value === 'string' ? value : otherwise;
  }

  get #config(): Readonly<Record<string, unknown>> {
    const config: unknown = this.config;
    return isRecord(config) ? config : {};
  }
}

/** Pictures in tiles, each with its own number of them: pixel_values [pictures, tiles, 3, side, side] and image_sizes. */
export class AnyresProcessor extends EveryImageProcessor {
  protected override async pictures(pictures: readonly Picture[]): Promise<Expanded> {
    const anyres = this.#anyres;
    const { side } = anyres;
    const { resample = 3 } = this.image_processor as unknown as { resample?: number };
    const all: Tensor[] = [];
    for (const picture of pictures) {
      all.push((await this.process(await tilesOf(picture, anyres, resample))).pixel_values);
    }
    const most = Math.max(...all.map(({ dims }) => dims[0] ?? 0));
    const sizes = pictures.flatMap(({ height, width }) => [BigInt(height), BigInt(width)]);
    return {
      inputs: {
        pixel_values: cat(
          all.map((tiles) => filledUp(tiles, most)),
          0,
        ),
        image_sizes: new Tensor('int64', BigInt64Array.from(sizes), [pictures.length, 2]),
      },
      texts: pictures.map(({ height, width }) => {
        const { rows, columns } = tokenMap(height, width, anyres);
        return this.imageToken.repeat(side ** 2 + rows * (columns + 1));
      }),
    };
  }

  get #anyres(): Anyres {
    const anyres = anyresOf(this.config);
    if (anyres !== undefined) return anyres;
    throw new FastvError('unsupported-decoder', 'the processor does not say which tiles its pictures get', {
      where: 'processor_config.json',
      hint: 'It has image_grid_pinpoints and vision_config, as fastv build writes it.',
    });
  }
}

/** One picture's tiles, with empty ones behind them: [1, most, 3, side, side]. */
function filledUp(tiles: Tensor, most: number): Tensor {
  const [count = 0, ...dims] = tiles.dims;
  const size = dims.reduce((a, b) => a * b, 1);
  if (count === most) return tiles.unsqueeze(0);
  const data = new Float32Array(most * size);
  data.set(tiles.data as Float32Array);
  return new Tensor('float32', data, [1, most, ...dims]);
}

/** Pictures and videos: pixel_values [pictures, 3, side, side], pixel_values_videos [videos, frames, 3, side, side]. */
export class VideoLlavaProcessor extends EveryImageProcessor {
  protected override async media(
    pictures: readonly Picture[],
    videos: readonly (readonly Picture[])[],
  ): Promise<{ readonly token: string; readonly expanded: Expanded }[]> {
    const media = await super.media(pictures, []);
    const [frames = 0] = videos.map(({ length }) => length);
    if (videos.some(({ length }) => length !== frames || length === 0)) {
      throw new FastvError('invalid-input', 'the videos have different numbers of frames', {
        where: 'videos',
      });
    }
    const token = this.text('video_token', '<video>');
    if (videos.length === 0) return [...media, { token, expanded: { inputs: {}, texts: [] } }];
    const { pixel_values } = await this.process(videos.flat());
    const [height = 0, width = 0] = pixel_values.dims.slice(-2);
    // frames keep their class token
    const count = frames * (this.patches(height, width) + 1);
    const pixels = pixel_values.view(videos.length, frames, ...pixel_values.dims.slice(1));
    return [
      ...media,
      {
        token,
        expanded: {
          inputs: { pixel_values_videos: pixels },
          texts: videos.map(() => token.repeat(count)),
        },
      },
    ];
  }
}

/** InternVL's pictures: tiles of a grid of their aspect, and the whole of it behind them, each with so many tokens. */
export class CroppedProcessor extends EveryImageProcessor {
  protected override async pictures(pictures: readonly Picture[]): Promise<Expanded> {
    const { config } = this.image_processor as unknown as { config: Readonly<Record<string, unknown>> };
    const tiles: Picture[][] = [];
    for (const picture of pictures) tiles.push(await croppedTiles(picture, config));
    const { pixel_values } = await this.process(tiles.flat());
    const tokens = this.imageToken.repeat(this.number('image_seq_length'));
    const [start, end] = [this.text('start_image_token', '<img>'), this.text('end_image_token', '</img>')];
    return {
      inputs: { pixel_values },
      texts: tiles.map(({ length }) => start + tokens.repeat(length) + end),
    };
  }
}

/**
 * Mistral 3's pictures, each of its own size and with a token at the end of each row: pixel_values are filled up with zeros
 * to the largest, and image_sizes [pictures, 2] say how much of them is picture.
 */
export class RowsProcessor extends EveryImageProcessor {
  protected override async pictures(pictures: readonly Picture[]): Promise<Expanded> {
    const all: Tensor[] = [];
    for (const picture of pictures) all.push((await this.process([picture])).pixel_values);
    const sizes = all.map(({ dims }): [number, number] => [dims[2] ?? 0, dims[3] ?? 0]);
    const [height, width] = [0, 1].map((axis) => Math.max(...sizes.map((size) => size[axis] ?? 0)));
    const ends = [this.text('image_break_token', '[IMG_BREAK]'), this.text('image_end_token', '[IMG_END]')];
    const side = this.number('patch_size') * this.number('spatial_merge_size');
    return {
      inputs: {
        pixel_values: cat(
          all.map((pixels) => enlarged(pixels, height ?? 0, width ?? 0)),
          0,
        ),
        image_sizes: new Tensor('int64', BigInt64Array.from(sizes.flat(), BigInt), [sizes.length, 2]),
      },
      texts: sizes.map(([h, w]) => {
        const row = this.imageToken.repeat(Math.floor(w / side));
        return (row + (ends[0] ?? '')).repeat(Math.floor(h / side) - 1) + row + (ends[1] ?? '');
      }),
    };
  }
}

/** [1, channels, height, width] with zeros below and to the right. */
function enlarged(pixels: Tensor, height: number, width: number): Tensor {
  const [, channels = 0, rows = 0, columns = 0] = pixels.dims;
  if (rows === height && columns === width) return pixels;
  const [from, to] = [pixels.data as Float32Array, new Float32Array(channels * height * width)];
  for (let row = 0; row < channels * rows; row++) {
    const at = Math.floor(row / rows) * height + (row % rows);
    to.set(from.subarray(row * columns, (row + 1) * columns), at * width);
  }
  return new Tensor('float32', to, [1, channels, height, width]);
}

/** Texts in which each token is the text of its picture. */
function expand(texts: readonly string[], token: string, given: readonly string[]): string[] {
  let next = 0;
  const expanded = texts.map((text) =>
    text
      .split(token)
      .map((piece, i) => (i === 0 ? piece : (given[next++] ?? '') + piece))
      .join(''),
  );
  if (next === given.length) return expanded;
  throw new FastvError('invalid-input', `the text has ${next} × ${token} for ${given.length} of them`, {
    where: 'text',
    hint: 'Write one for each picture or video.',
  });
}
