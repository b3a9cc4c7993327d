// Which tokens of a picture were kept, drawn over it: kept patches as they are, dropped ones dark, grey and hatched,
// so that they can be told from a picture that is dark itself.
import sharp from 'sharp';
import type { Picture } from './decode.js';

/** The tokens of a picture: `rows` × `columns` patches, and which of them were kept. */
export interface KeptPatches {
  readonly rows: number;
  readonly columns: number;
  readonly kept: readonly { readonly row: number; readonly column: number }[];
}

/** How overlays are drawn. */
export interface OverlayOptions {
  /** Whether the model sees only the middle square of a picture. */
  readonly square?: boolean;
  /** The longer side of each picture, in pixels (default 480). */
  readonly side?: number;
}

/**
 * Draws overlays side by side.
 * @returns a PNG
 */
export async function overlayPng(
  pictures: readonly { readonly picture: Picture; readonly patches: KeptPatches }[],
  { square = false, side = 480 }: OverlayOptions = {},
): Promise<Buffer> {
  const drawn = await Promise.all(
    pictures.map(({ picture, patches }) => draw(picture, patches, square, side)),
  );
  const gap = 8;
  const width = drawn.reduce((sum, { info }) => sum + info.width + gap, -gap);
  const height = Math.max(...drawn.map(({ info }) => info.height));
  let left = 0;
  const parts = drawn.map(({ data, info }) => {
    const part = {
      input: data,
      raw: { width: info.width, height: info.height, channels: 3 as const },
      left,
      top: 0,
    };
    left += info.width + gap;
    return part;
  });
  const background = {
    create: { width: Math.max(width, 1), height, channels: 3 as const, background: '#ffffff' },
  };
  return sharp(background).composite(parts).png({ compressionLevel: 9 }).toBuffer();
}

interface Raw {
  readonly data: Buffer;
  readonly info: { readonly width: number; readonly height: number };
}

async function draw(
  picture: Picture,
  { rows, columns, kept }: KeptPatches,
  square: boolean,
  side: number,
): Promise<Raw> {
  const { width, height } = picture;
  const scale = side / Math.max(width, height);
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const { data } = await sharp(picture.data, { raw: { width, height, channels: 3 } })
    .resize(w, h, { fit: 'fill', kernel: scale > 1 ? 'nearest' : 'lanczos3' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const seen = square
    ? {
        left: (w - Math.min(w, h)) / 2,
        top: (h - Math.min(w, h)) / 2,
        width: Math.min(w, h),
        height: Math.min(w, h),
      }
    : { left: 0, top: 0, width: w, height: h };
  const bright = new Uint8Array(rows * columns);
  for (const { row, column } of kept) bright[row * columns + column] = 1;
  for (let y = 0; y < h; y++) {
    const row = Math.floor(((y - seen.top) / seen.height) * rows);
    for (let x = 0; x < w; x++) {
      const column = Math.floor(((x - seen.left) / seen.width) * columns);
      const inside = row >= 0 && row < rows && column >= 0 && column < columns;
      if (!inside || bright[row * columns + column] !== 1) drop(data, (y * w + x) * 3, (x + y) % HATCH === 0);
    }
  }
  return { data, info: { width: w, height: h } };
}

/** Pixels from one line of the hatching to the next. */
const HATCH = 8;
/** Lighter than all that is dropped, darker than most that is kept. */
const LINE = 96;

function drop(data: Buffer, at: number, onLine: boolean): void {
  const [r = 0, g = 0, b = 0] = data.subarray(at, at + 3);
  const grey = 0.299 * r + 0.587 * g + 0.114 * b;
  for (const [c, value] of [r, g, b].entries())
    data[at + c] = onLine ? LINE : 28 + 0.16 * (0.75 * grey + 0.25 * value);
}
