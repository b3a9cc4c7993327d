// Weights as the graphs take them: a tensor of the checkpoint, or a part or a function of one, that is read only when it
// is written.
import { FastvError } from '../errors.js';
import { DataType } from '../onnx/tensor.js';
import { toFloats } from '../quantize/matrix.js';
import { sizeOf } from './checkpoint/stored-tensor.js';

/** A tensor to come. Its bytes are little-endian floats, row by row. */
export class Source {
  readonly name: string;
  readonly dims: readonly number[];
  /** FLOAT, FLOAT16 or BFLOAT16. */
  readonly dataType: DataType;
  readonly load: () => Promise<Uint8Array<ArrayBuffer>>;

  constructor(
    name: string,
    dims: readonly number[],
    dataType: DataType,
    load: () => Promise<Uint8Array<ArrayBuffer>>,
  ) {
    this.name = name;
    this.dims = dims;
    this.dataType = dataType;
    this.load = load;
  }

  /** The elements from `from` to `to` of the first axis. */
  rows(from: number, to: number, suffix: string): Source {
    const [length = 0, ...rest] = this.dims;
    return new Source(`${this.name}/${suffix}`, [to - from, ...rest], this.dataType, async () => {
      const bytes = await this.load();
      const row = bytes.length / length;
      return bytes.subarray(from * row, to * row);
    });
  }

  /** Its rows in another order. */
  reorder(order: readonly number[], suffix: string): Source {
    const [length = 0, ...rest] = this.dims;
    return new Source(`${this.name}/${suffix}`, [order.length, ...rest], this.dataType, async () => {
      const bytes = await this.load();
      const row = bytes.length / length;
      const out = new Uint8Array(order.length * row);
      order.forEach((from, to) => {
        out.set(bytes.subarray(from * row, (from + 1) * row), to * row);
      });
      return out;
    });
  }

  /** The same elements in another shape. */
  reshape(...dims: readonly number[]): Source {
    if (sizeOf(dims) !== sizeOf(this.dims)) throw new RangeError(`${this.name} is not [${dims.join(', ')}]`);
    return new Source(this.name, dims, this.dataType, this.load);
  }

  /** A function of all its values, as float32. */
  map(
    suffix: string,
    dims: readonly number[],
    f: (values: Float32Array) => Float32Array<ArrayBuffer>,
  ): Source {
    return new Source(`${this.name}/${suffix}`, dims, DataType.FLOAT, async () =>
      bytesOf(f(await this.floats())),
    );
  }

  /** Turned round: [columns, rows]. */
  transposed(): Source {
    const [rows = 0, columns = 0] = this.dims;
    return this.map('transposed', [columns, rows], (values) => {
      const out = new Float32Array(values.length);
      for (let r = 0, i = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++, i++) out[c * rows + r] = values[i] ?? 0;
      }
      return out;
    });
  }

  /** Its values. @throws {FastvError} as {@link Source.checked} */
  async floats(): Promise<Float32Array> {
    return toFloats(await this.checked(), this.dataType);
  }

  /**
   * Its bytes, all of them finite numbers.
   * @throws {FastvError} `malformed-model` naming the tensor and the first number that is none
   */
  async checked(): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.load();
    const at = firstInfinite(bytes, this.dataType);
    if (at === undefined) return bytes;
    throw new FastvError('malformed-model', `element ${at} of "${this.name}" is NaN or infinite`, {
      where: this.name,
      hint: 'The checkpoint is damaged, or its training diverged.',
    });
  }
}

/** A tensor that the builder makes itself. */
export function made(name: string, dims: readonly number[], values: Float32Array<ArrayBuffer>): Source {
  return new Source(name, dims, DataType.FLOAT, () => Promise.resolve(bytesOf(values)));
}

function bytesOf(values: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** The place of the first float whose exponent is all ones. */
function firstInfinite(bytes: Uint8Array<ArrayBuffer>, dataType: DataType): number | undefined {
  const wide = dataType === DataType.FLOAT;
  const width = wide ? 4 : 2;
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const words = wide
    ? new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / width)
    : new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / width);
  const exponent = wide ? 0x7f800000 : dataType === DataType.BFLOAT16 ? 0x7f80 : 0x7c00;
  for (let i = 0; i < words.length; i++) {
    if (((words[i] ?? 0) & exponent) === exponent) return i;
  }
  return undefined;
}
