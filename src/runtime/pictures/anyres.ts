// Pictures of any resolution (LLaVA-NeXT, LLaVA-OneVision): which grid of tiles a picture gets, and how many tokens. The
// sizes are those of transformers' image_processing_llava_next.py and processing_llava_next.py; the vision encoders that
// `fastv build` makes compute the same.
import { isRecord } from '../transformers.js';
import type { Picture } from './picture.js';

/** What a model's configuration says of its tiles. */
export interface Anyres {
  /** Heights and widths that a picture may be brought to. */
  readonly pinpoints: readonly (readonly [height: number, width: number])[];
  /** A tile's side in pixels, and in tokens. */
  readonly tile: number;
  readonly side: number;
  /** Tiles' worth of tokens at most (OneVision's anyres_max_9). */
  readonly most: number | undefined;
}

interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** The tiles of a configuration; undefined where it knows none. */
export function anyresOf(config: unknown): Anyres | undefined {
  if (!isRecord(config) || !isRecord(config['vision_config'])) return undefined;
  const { image_grid_pinpoints: pinpoints, vision_aspect_ratio: aspect } = config;
  const { image_size: tile, patch_size: patch } = config['vision_config'];
  if (!Array.isArray(pinpoints) || !isSize(tile) || !isSize(patch)) return undefined;
  const pairs = pinpoints.filter(isPair);
  const side = Math.floor(tile / patch);
  if (pairs.length === 0 || side === 0) return undefined;
  const most = /^anyres_max_(\d{1,3})$/u.exec(typeof aspect === 'string' ? aspect : '')?.[1];
  return { pinpoints: pairs, tile, side, most: most === undefined ? undefined : Number(most) };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
const isPair = (pair: unknown): pair is [number, number] =>
  Array.isArray(pair) && pair.length === 2 && pair.every(isSize);

/** The grid of tiles that shows most of a picture, and of those the one that wastes least; the first of equals. */
export function tileGrid(height: number, width: number, { pinpoints, tile }: Anyres): Grid {
  let best: readonly [number, number] = [tile, tile];
  let [most, least] = [0, Infinity];
  for (const [h, w] of pinpoints) {
    const scale = Math.min(w / width, h / height);
    const effective = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    const wasted = w * h - effective;
    if (effective > most || (effective === most && wasted < least)) {
      [best, most, least] = [[h, w], effective, wasted];
    }
  }
  return { rows: Math.floor(best[0] / tile), columns: Math.floor(best[1] / tile) };
}

/** The map of tokens of a picture's tiles, without what was padded and without the tokens that end its rows. */
export function tokenMap(height: number, width: number, anyres: Anyres): Grid {
  const tiles = tileGrid(height, width, anyres);
  const { side, most } = anyres;
  let [rows, columns] = [tiles.rows * side, tiles.columns * side];
  const floor = (exact: number): number => Math.trunc(Math.round(exact * 1e7) / 1e7);
  if (width / height > columns / rows) {
    rows -= 2 * Math.floor((rows - floor(height * (columns / width))) / 2);
  } else columns -= 2 * Math.floor((columns - floor(width * (rows / height))) / 2);
  if (most !== undefined) {
    const ratio = Math.sqrt((rows * columns) / (most * side ** 2));
    if (ratio > 1.1) [rows, columns] = [Math.floor(rows / ratio), Math.floor(columns / ratio)];
  }
  return { rows, columns };
}

/**
 * How the tokens of a picture lie: the whole of it, and its tiles' map with the tokens that end rows.
 * @returns rows × columns of either
 */
export function tokenGrids(height: number, width: number, anyres: Anyres): [number, number][] {
  const { rows, columns } = tokenMap(height, width, anyres);
  return [
    [anyres.side, anyres.side],
    [rows, columns + 1],
  ];
}

/** A picture's tiles, the whole of it squashed to one coming first. */
export async function tilesOf(picture: Picture, anyres: Anyres, filter: number): Promise<Picture[]> {
  const { width, height } = picture;
  const { tile } = anyres;
  const { rows, columns } = tileGrid(height, width, anyres);
  const [fullWidth, fullHeight] = [columns * tile, rows * tile];
  const [across, down] = [fullWidth / width, fullHeight / height];
  const [newWidth, newHeight] =
    across < down
      ? [fullWidth, Math.min(Math.ceil(height * across), fullHeight)]
      : [Math.min(Math.ceil(width * down), fullWidth), fullHeight];
  const resize = (w: number, h: number): Promise<Picture> => picture.resize(w, h, { resample: filter });
  const fitted = await resize(newWidth, newHeight);
  const [left, top] = [Math.floor((fullWidth - newWidth) / 2), Math.floor((fullHeight - newHeight) / 2)];
  const tiles = [await resize(tile, tile)];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      tiles.push(fitted.window(column * tile - left, row * tile - top, tile, tile));
    }
  }
  return tiles;
}
