// Pillow's resampling (Resample.c, images of 8 bits a channel), number for number: Hugging Face's image processors resize
// with it, and what it gives a model was trained on. Transformers.js resizes with sharp, which does not smooth what it
// shrinks, and in a browser with the canvas, whose filter is the browser's own.
//
// A separable filter whose support grows with the scale; weights in fixed point; rows first, rounded to bytes, then columns.

/** A filter: its value at a distance in pixels of the smaller image, zero beyond `support`. */
interface Filter {
  readonly support: number;
  readonly at: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Pillow's numbers of its filters, as preprocessor_config.json has them. */
const FILTERS: ReadonlyMap<number, Filter> = new Map([
  [1, { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) }], // Lanczos
  [2, { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) }], // bilinear
  [3, { support: 2, at: bicubic }],
]);

/** Keys' cubic with a = −1/2. */
function bicubic(signed: number): number {
  const a = -0.5;
  const x = Math.abs(signed);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Bits behind the point of a weight: 32 without 8 of a pixel and 2 for sums. */
const BITS = 22;

/** An image of 8 bits a channel, row by row. */
export interface Bytes {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** Whether {@link resample} knows Pillow's filter of this number. */
export function knowsFilter(filter: number): boolean {
  return FILTERS.has(filter);
}

/**
 * An image in another size.
 * @param filter Pillow's number: 1 Lanczos, 2 bilinear, 3 bicubic
 * @throws {RangeError} for another filter
 */
export function resample(image: Bytes, width: number, height: number, filter: number): Bytes {
  const chosen = FILTERS.get(filter);
  if (chosen === undefined) throw new RangeError(`no filter ${filter}`);
  const wide = width === image.width ? image : acrossRows(image, width, chosen);
  return height === wide.height ? wide : downColumns(wide, height, chosen);
}

/** What each pixel of a resized line is made of. */
interface Weights {
  /** The first source pixel, and how many, of each. */
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `size` weights of each. */
  readonly values: Int32Array;
  readonly size: number;
}

function weightsOf(from: number, to: number, { support, at }: Filter): Weights {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const size = Math.ceil(reach) * 2 + 1;
  const [first, count] = [new Int32Array(to), new Int32Array(to)];
  const values = new Int32Array(to * size);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - reach + 0.5));
    const high = Math.min(from, Math.trunc(centre + reach + 0.5));
    const exact = Array.from({ length: high - low }, (_, x) => at((x + low - centre + 0.5) * (1 / stretch)));
    const sum = exact.reduce((a, b) => a + b, 0);
    exact.forEach((weight, x) => {
      const fixed = (sum === 0 ? weight : weight / sum) * 2 ** BITS;
      values[i * size + x] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    first[i] = low;
    count[i] = high - low;
  }
  return { first, count, values, size };
}

function acrossRows({ data, width: from, height, channels }: Bytes, width: number, filter: Filter): Bytes {
  const { first, count, values, size } = weightsOf(from, width, filter);
  const out = new Uint8ClampedArray(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [low = 0, taps = 0] = [first[x], count[x]];
      for (let c = 0; c < channels; c++) {
        let sum = 2 ** (BITS - 1);
        let at = (y * from + low) * channels + c;
        for (let k = x * size; k < x * size + taps; k++, at += channels) {
          sum = (sum + Math.imul(data[at] ?? 0, values[k] ?? 0)) | 0;
        }
        out[(y * width + x) * channels + c] = sum >> BITS;
      }
    }
  }
  return { data: out, width, height, channels };
}

function downColumns({ data, width, channels }: Bytes, height: number, filter: Filter): Bytes {
  const row = width * channels;
  const { first, count, values, size } = weightsOf(data.length / row, height, filter);
  const out = new Uint8ClampedArray(row * height);
  for (let y = 0; y < height; y++) {
    const [low = 0, taps = 0] = [first[y], count[y]];
    for (let x = 0; x < row; x++) {
      let sum = 2 ** (BITS - 1);
      let at = low * row + x;
      for (let k = y * size; k < y * size + taps; k++, at += row) {
        sum = (sum + Math.imul(data[at] ?? 0, values[k] ?? 0)) | 0;
      }
      out[y * row + x] = sum >> BITS;
    }
  }
  return { data: out, width, height, channels };
}
