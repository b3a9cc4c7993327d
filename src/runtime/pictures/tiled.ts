// Idefics3's and SmolVLM's pictures: resized by Lanczos to the longest edge, then up to whole tiles, and once more, squashed
// to one tile, for the whole. After transformers' image_processing_idefics3.py; Transformers.js 4.3 resizes normalised
// numbers bilinearly and without smoothing.
import type { Tensor } from '@huggingface/transformers';
import { cat, full, Idefics3ImageProcessor, type RawImage } from '@huggingface/transformers';
import { isRecord } from '../transformers.js';
import { Picture } from './picture.js';

/** The longest edge that is not brought down first. */
const LARGEST = 4096;

interface Tiles {
  readonly pictures: readonly Picture[];
  readonly rows: number;
  readonly columns: number;
}

type Result = Awaited<ReturnType<Idefics3ImageProcessor['_call']>>;

/** The image processor, with Transformers.js's interface. */
export class TiledImageProcessor extends Idefics3ImageProcessor {
  readonly #resizes: boolean;

  constructor(config: unknown) {
    super(config);
    this.#resizes = this.do_resize;
    // tiles are of the right size already
    this.do_resize = false;
  }

  override async _call(
    images: RawImage | RawImage[] | RawImage[][],
    options: { do_image_splitting?: boolean | null; return_row_col_info?: boolean } = {},
  ): Promise<Result> {
    const rows: RawImage[][] = Array.isArray(images)
      ? Array.isArray(images[0])
        ? (images as RawImage[][])
        : [images as RawImage[]]
      : [[images]];
    const splits = options.do_image_splitting ?? Boolean(this.do_image_splitting);
    const found = await Promise.all(
      rows.map((row) => Promise.all(row.map((one) => this.#tiles(one, splits)))),
    );
    const tensors = await Promise.all(
      found.map(async (row) =>
        Promise.all(
          row
            .flatMap(({ pictures }) => pictures)
            .map(async (tile) => (await this.preprocess(tile)).pixel_values.unsqueeze(0)),
        ),
      ),
    );
    const most = Math.max(...tensors.map(({ length }) => length));
    const filled = tensors.map((row) => filledUp(row, most));
    const sizes = rows.flat().map(({ height, width }): [number, number] => [height, width]);
    return {
      pixel_values: cat(
        filled.map(({ pixels }) => pixels),
        0,
      ),
      pixel_attention_mask: cat(
        filled.map(({ mask }) => mask),
        0,
      ),
      original_sizes: sizes,
      reshaped_input_sizes: sizes,
      ...(options.return_row_col_info === true
        ? {
            rows: found.map((row) => row.map((one) => one.rows)),
            cols: found.map((row) => row.map((one) => one.columns)),
          }
        : {}),
    };
  }

  async #tiles(image: RawImage, splits: boolean): Promise<Tiles> {
    const filter = this.resample;
    const resize = (one: Picture, width: number, height: number): Promise<Picture> =>
      one.resize(width, height, { resample: filter });
    let picture = Picture.from(image);
    const longest: unknown = isRecord(this.size) ? this.size['longest_edge'] : undefined;
    if (this.#resizes && typeof longest === 'number') {
      picture = await resize(picture, ...longestEdge(picture, longest));
    }
    const { longest_edge: side } = this.max_image_size as { longest_edge: number };
    if (!splits) return { pictures: [await resize(picture, side, side)], rows: 0, columns: 0 };
    const whole = await resize(picture, ...wholeTiles(picture, side));
    if (whole.height <= side && whole.width <= side) return { pictures: [whole], rows: 0, columns: 0 };
    const [rows, columns] = [whole.height / side, whole.width / side];
    const pictures = Array.from({ length: rows * columns }, (_, i) =>
      whole.window((i % columns) * side, Math.floor(i / columns) * side, side, side),
    );
    return { pictures: [...pictures, await resize(whole, side, side)], rows, columns };
  }
}

/** Width and height with the longest edge of a length, the other one even. */
function longestEdge({ width, height }: RawImage, longest: number): [width: number, height: number] {
  const aspect = width / height;
  const even = (n: number): number => Math.max(1, Math.trunc(n) + (Math.trunc(n) % 2));
  const [w, h] = width >= height ? [longest, even(longest / aspect)] : [even(longest * aspect), longest];
  if (Math.max(w, h) <= LARGEST) return [w, h];
  return w >= h
    ? [LARGEST, Math.max(1, Math.trunc(LARGEST / (w / h)))]
    : [Math.max(1, Math.trunc(LARGEST * (w / h))), LARGEST];
}

/** Width and height as whole tiles. */
function wholeTiles({ width, height }: RawImage, side: number): [width: number, height: number] {
  const aspect = width / height;
  const up = (n: number): number => Math.max(1, Math.ceil(n / side)) * side;
  if (width >= height) {
    const wide = up(width);
    return [wide, up(Math.trunc(wide / aspect))];
  }
  const tall = up(height);
  return [up(Math.trunc(tall * aspect)), tall];
}

/** A row of tiles, with empty ones behind them, and a mask of what is picture. */
function filledUp(tiles: readonly Tensor[], most: number): { pixels: Tensor; mask: Tensor } {
  const [, ...dims] = tiles[0]?.dims ?? [];
  const [, height = 0, width = 0] = dims;
  const missing = most - tiles.length;
  const empty = missing === 0 ? [] : [full([missing, ...dims], 0)];
  const mask = full([1, most, height, width], true);
  (mask.data as Uint8Array).fill(0, tiles.length * height * width);
  return { pixels: cat([...tiles, ...empty], 0).unsqueeze(0), mask };
}
