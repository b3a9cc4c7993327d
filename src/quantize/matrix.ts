// A weight matrix of floats that is read in strips, either way round, whatever the layout and number format it has.
import { DataType } from '../onnx/tensor.js';
import type { ByteSource } from './source.js';

/** Element types that can be quantised, and their widths in bytes. */
const WIDTH: Partial<Record<number, number>> = {
  [DataType.FLOAT]: 4,
  [DataType.FLOAT16]: 2,
  [DataType.BFLOAT16]: 2,
};

/** Whether weights of this element type can be quantised: float32, float16 or bfloat16. */
export function isFloat(dataType: number): boolean {
  return WIDTH[dataType] !== undefined;
}

/** A linear layer's weight: `inputs` × `outputs` floats. */
export class FloatMatrix {
  readonly inputs: number;
  readonly outputs: number;
  /** Whether the file has [outputs, inputs]; strips along the file's rows are read in one go. */
  readonly transposed: boolean;
  readonly #source: ByteSource;
  readonly #dataType: number;
  readonly #width: number;

  constructor(
    source: ByteSource,
    layout: { dataType: number; inputs: number; outputs: number; transposed: boolean },
  ) {
    this.inputs = layout.inputs;
    this.outputs = layout.outputs;
    this.transposed = layout.transposed;
    this.#source = source;
    this.#dataType = layout.dataType;
    this.#width = WIDTH[layout.dataType] ?? 0;
    if (this.#width * this.inputs * this.outputs !== source.length || source.length === 0) {
      throw new RangeError(`${this.inputs} × ${this.outputs} weights do not take ${source.length} bytes`);
    }
  }

  /** Weights of the inputs [from, to): [to − from, outputs]. */
  ofInputs(from: number, to: number): Float32Array {
    return this.transposed
      ? this.#columns(from, to, this.outputs, this.inputs)
      : this.#rows(from, to, this.outputs);
  }

  /** Weights of the outputs [from, to): [to − from, inputs]. */
  ofOutputs(from: number, to: number): Float32Array {
    return this.transposed
      ? this.#rows(from, to, this.inputs)
      : this.#columns(from, to, this.inputs, this.outputs);
  }

  #rows(from: number, to: number, columns: number): Float32Array {
    const row = columns * this.#width;
    return toFloats(this.#source.read(from * row, (to - from) * row), this.#dataType);
  }

  #columns(from: number, to: number, rows: number, columns: number): Float32Array {
    const out = new Float32Array((to - from) * rows);
    const length = (to - from) * this.#width;
    for (let row = 0; row < rows; row++) {
      const strip = toFloats(this.#source.read((row * columns + from) * this.#width, length), this.#dataType);
      for (let i = 0, at = row; i < strip.length; i++, at += rows) out[at] = strip[i] ?? 0;
    }
    return out;
  }
}

/** Decodes little-endian floats; a float32 array that happens to be aligned is not copied. */
export function toFloats(bytes: Uint8Array, dataType: number): Float32Array {
  if (dataType === F32) {
    if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    return new Float32Array(bytes.slice().buffer);
  }
  const halves =
    bytes.byteOffset % 2 === 0
      ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
      : new Uint16Array(bytes.slice().buffer);
  const out = new Float32Array(halves.length);
  if (dataType === BF16) {
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16;
    return out;
  }
  for (let i = 0; i < halves.length; i++) out[i] = HALVES[halves[i] ?? 0] ?? 0;
  return out;
}

const F32: number = DataType.FLOAT;
const BF16: number = DataType.BFLOAT16;

/** The value of every float16. */
const HALVES = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** The nearest float16 of a float32, ties to even; too large becomes infinite. */
export function toHalfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const steps = roundHalfToEven((magnitude / 2 ** exponent) * 1024);
  // below 2^-14 the number has no leading one: `steps` is all of it
  return magnitude < 2 ** -14 ? sign | steps : sign | (((exponent + 15) << 10) + (steps - 1024));
}

/** Rounds to the nearest integer, ties to the even one. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
