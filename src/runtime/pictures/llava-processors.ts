// LLaVA's processors, for one picture and for several: plain, in tiles (LLaVA-NeXT, LLaVA-OneVision), and with videos
// (Video-LLaVA). Transformers.js 4.3 has the first alone, and expands only the first picture of a text.
//
// They are called as its LlavaProcessor is: processor(images, text, options).
import { cat, LlavaProcessor, Tensor, type RawImage } from '@huggingface/transformers';
import { FastvError } from '../../errors.js';
import { isRecord } from '../transformers.js';
import { anyresOf, tilesOf, tokenMap, type Anyres } from './anyres.js';
import { Picture } from './picture.js';

/** Tensors by their names. */
type Inputs = Record<string, Tensor>;

/** What an image processor makes of pictures of one size. */
type ImageProcessor = (images: readonly RawImage[]) => Promise<{ pixel_values: Tensor }>;

/** Pictures as the model takes them, and how many tokens each stands for. */
export interface Expanded {
  readonly inputs: Inputs;
  readonly tokens: readonly number[];
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
    for (const { token, expanded } of media) texts = expand(texts, token, expanded.tokens);
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
    const expanded = pictures.length === 0 ? { inputs: {}, tokens: [] } : await this.pictures(pictures);
    return [{ token: this.text('image_token', '<image>'), expanded }];
  }

  /** Pictures, brought to one size. */
  protected async pictures(pictures: readonly Picture[]): Promise<Expanded> {
    const { pixel_values } = await this.process(pictures);
    const [height = 0, width = 0] = pixel_values.dims.slice(-2);
    const count = this.patches(height, width) + this.number('num_additional_image_tokens');
    return { inputs: { pixel_values }, tokens: pictures.map(() => count) };
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
      tokens: pictures.map(({ height, width }) => {
        const { rows, columns } = tokenMap(height, width, anyres);
        return side ** 2 + rows * (columns + 1);
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
    if (videos.length === 0) return [...media, { token, expanded: { inputs: {}, tokens: [] } }];
    const { pixel_values } = await this.process(videos.flat());
    const [height = 0, width = 0] = pixel_values.dims.slice(-2);
    // frames keep their class token
    const count = frames * (this.patches(height, width) + 1);
    const pixels = pixel_values.view(videos.length, frames, ...pixel_values.dims.slice(1));
    return [
      ...media,
      { token, expanded: { inputs: { pixel_values_videos: pixels }, tokens: videos.map(() => count) } },
    ];
  }
}

/** Texts in which each token stands as often as its picture has tokens. */
function expand(texts: readonly string[], token: string, counts: readonly number[]): string[] {
  let next = 0;
  const expanded = texts.map((text) =>
    text
      .split(token)
      .map((piece, i) => (i === 0 ? piece : token.repeat(counts[next++] ?? 0) + piece))
      .join(''),
  );
  if (next === counts.length) return expanded;
  throw new FastvError('invalid-input', `the text has ${next} × ${token} for ${counts.length} of them`, {
    where: 'text',
    hint: 'Write one for each picture or video.',
  });
}
