// InternVL's pictures: cut into tiles of the grid whose aspect is nearest to theirs, and the whole of it behind them. After
// transformers' image_processing_got_ocr2.py (crop_image_to_patches).
import { FastvError } from '../../errors.js';
import { isRecord } from '../transformers.js';
import type { Picture } from './picture.js';

/** Tiles of a picture at most, whatever a file says. */
const MOST = 1024;

interface Grid {
  readonly columns: number;
  readonly rows: number;
}

/**
 * A picture's tiles, of the size that the image processor makes.
 * @param config of the image processor
 * @throws {FastvError} `unsupported-decoder` if it does not say how large a tile is, or how many there may be
 */
export async function croppedTiles(
  picture: Picture,
  config: Readonly<Record<string, unknown>>,
): Promise<Picture[]> {
  if (config['crop_to_patches'] !== true) return [picture];
  const size = isRecord(config['size']) ? config['size'] : {};
  const whole = (value: unknown, name: string, most: number): number => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw new FastvError('unsupported-decoder', `"${name}" is no whole number from 1 to ${most}`, {
      where: 'preprocessor_config.json',
      hint: 'Take the file of the model that it was made for.',
    });
  };
  const [height, width] = [whole(size['height'], 'height', 65536), whole(size['width'], 'width', 65536)];
  const least = whole(config['min_patches'], 'min_patches', MOST);
  const most = whole(config['max_patches'], 'max_patches', MOST);
  const { resample } = config;
  const filter = typeof resample === 'number' ? resample : 3;
  const resize = (w: number, h: number): Promise<Picture> => picture.resize(w, h, { resample: filter });
  const { columns, rows } = bestGrid(picture, { width, height }, least, most);
  const fitted = await resize(columns * width, rows * height);
  const tiles = Array.from({ length: rows * columns }, (_, i) =>
    fitted.window((i % columns) * width, Math.floor(i / columns) * height, width, height),
  );
  return tiles.length === 1 ? tiles : [...tiles, await resize(width, height)];
}

/**
 * The grid of tiles whose aspect is nearest to a picture's; of equally near ones the larger, as long as the picture has half
 * as many pixels.
 */
function bestGrid(
  picture: { readonly width: number; readonly height: number },
  tile: { readonly width: number; readonly height: number },
  least: number,
  most: number,
): Grid {
  const grids: Grid[] = [];
  for (let columns = 1; columns <= most; columns++) {
    for (let rows = 1; rows * columns <= most; rows++) {
      if (rows * columns >= least) grids.push({ columns, rows });
    }
  }
  grids.sort((a, b) => a.columns * a.rows - b.columns * b.rows);
  const aspect = picture.width / picture.height;
  const area = picture.width * picture.height;
  let [best, nearest]: [Grid, number] = [{ columns: 1, rows: 1 }, Infinity];
  for (const grid of grids) {
    const { columns, rows } = grid;
    const far = Math.abs(aspect - columns / rows);
    const enough = area > 0.5 * tile.width * tile.height * columns * rows;
    if (far < nearest || (far === nearest && enough)) [best, nearest] = [grid, far];
  }
  return best;
}
