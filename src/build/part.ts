// One ONNX file while it is made: nodes that name their weights, and the weights, which are read and written when the
// graph is whole and every tensor that it needs is known to be there.
//
// fp32, fp16: weights of products are turned to [inputs, outputs], as MatMul takes them.
// q8: signed int8 and one scale an output channel, as `fastv quantize` makes it; embeddings one scale a row.
// q4, q4f16: MatMulNBits with 32 weights a scale; embeddings as in q8, for which 4 bits save little and lose much.
import {
  create,
  GraphProtoSchema,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  type ModelProto,
  type TensorProto,
  type ValueInfoProto,
} from '../onnx/index.js';
import { FastvError } from '../errors.js';
import { Emitter, MICROSOFT } from '../onnx/emit.js';
import { DataType } from '../onnx/tensor.js';
import { valueInfo } from '../onnx/value-info.js';
import type { DataFile } from '../quantize/data-file.js';
import { quantizeInt4 } from '../quantize/int4.js';
import { int8Scales, quantizeInt8, type Loss } from '../quantize/int8.js';
import { FloatMatrix } from '../quantize/matrix.js';
import { int4Product, int8Product, type QuantizedLayer } from '../quantize/quantize.js';
import { bytesAsSource } from '../quantize/source.js';
import { version } from '../version.js';
import { toHalves } from './half.js';
import { fileName, type PartDtype, type PartName } from './part-names.js';
import type { Source } from './source.js';

/** A linear layer's weights: [outputs, inputs] and [outputs]. */
export interface Linear {
  readonly weight: Source;
  readonly bias?: Source | undefined;
}

/** The operator set of the graphs. */
const OPSET = 18;
/** Tensors up to this size lie in the graph's own file. */
const INLINE = 1024;
/** Values that are converted at a time. */
const STRIP = 4 * 2 ** 20;
/** Weights a scale in int4. */
const BLOCK = 32;

/** Writes a weight, in one tensor or two. */
type WriteWeight = (data: Data) => Promise<TensorProto[]>;

/** Where the bytes of a part's weights go, in order. */
export interface Data {
  /** The file to append to that has room for so many bytes more. */
  file(bytes: number): DataFile;
}

/** A part that is being made. */
export class PartGraph {
  readonly name: PartName;
  readonly dtype: PartDtype;
  /** The type of activations: FLOAT, or FLOAT16 in fp16 and q4f16. Inputs and outputs but caches are FLOAT. */
  readonly float: typeof DataType.FLOAT | typeof DataType.FLOAT16;
  readonly emit = new Emitter(OPSET, []);
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #weights = new Map<string, WriteWeight>();
  /** What quantisation lost, by weight; known when they are written. */
  readonly quantized: QuantizedLayer[] = [];
  /** Whether a tower's positions are to fit pictures of other sizes than its own. */
  readonly interpolatePositions: boolean;
  readonly #activations = new Map<string, readonly string[]>();

  constructor(name: PartName, dtype: PartDtype, interpolatePositions = false) {
    this.interpolatePositions = interpolatePositions;
    this.name = name;
    this.dtype = dtype;
    this.float = dtype === 'fp16' || dtype === 'q4f16' ? DataType.FLOAT16 : DataType.FLOAT;
  }

  /** The file's name. */
  get file(): string {
    return fileName(this.name, this.dtype);
  }

  /** How many weights there are to write. */
  get weights(): number {
    return this.#weights.size;
  }

  /** Declares an input; an axis is a size, or a name. */
  input(name: string, type: DataType, axes: readonly (string | number)[]): string {
    this.#inputs.push(valueInfo(name, type, axes));
    return name;
  }

  /** Gives a tensor out under a name. */
  output(name: string, value: string, type: DataType, axes: readonly (string | number)[]): void {
    this.emit.op('Identity', [value], { output: name });
    this.declareOutput(name, type, axes);
  }

  /** Declares an output that a node gives under its own name. */
  declareOutput(name: string, type: DataType, axes: readonly (string | number)[]): void {
    this.#outputs.push(valueInfo(name, type, axes));
  }

  /** A float input in the type of the activations. */
  toFloat(x: string): string {
    return this.float === DataType.FLOAT ? x : this.emit.cast(x, this.float);
  }

  /** Activations as float32. */
  toFloat32(x: string): string {
    return this.float === DataType.FLOAT ? x : this.emit.cast(x, DataType.FLOAT);
  }

  /** A number in the type of the activations. */
  scalar(value: number): string {
    return this.toFloat(this.emit.float(value));
  }

  /** A weight as it is: norms, biases, tables, kernels. */
  weight(source: Source): string {
    return this.#add(source.name, this.#plain(source, source.name, this.float));
  }

  /** A float32 table that activations of every type are computed from. */
  table(source: Source): string {
    return this.#add(source.name, this.#plain(source, source.name, DataType.FLOAT));
  }

  /** x · Wᵀ + b: [.., inputs] to [.., outputs]. */
  linear(x: string, { weight, bias }: Linear): string {
    const y = this.#product(x, weight);
    return bias === undefined ? y : this.emit.op('Add', [y, this.weight(bias)]);
  }

  /** Rows of [rows, width] by int64 indices of any shape: [.., width]. */
  embedding(ids: string, source: Source): string {
    if (this.dtype === 'fp32' || this.dtype === 'fp16') {
      return this.emit.gather(this.weight(source), ids, 0);
    }
    const [rows = 0, width = 0] = source.dims;
    const name = this.#add(`${source.name}/int8`, async (data) => {
      // a row's scale is a channel's: the table is [outputs, inputs] of a product
      const turned = await this.#matrix(source, width, rows);
      const scales = int8Scales(turned);
      const layout = { dataType: source.dataType, inputs: rows, outputs: width, transposed: false };
      const matrix = new FloatMatrix(bytesAsSource(await source.checked()), layout);
      const values = rowsAsInt8(matrix, scales, data.file(rows * width));
      this.#report(source, width, rows, values.loss);
      return [
        tensor(`${source.name}/int8`, DataType.INT8, source.dims, values.placed),
        this.#small(`${source.name}/int8/scale`, [rows, 1], scales, data),
      ];
    });
    const [values, scales] = [name, `${name}/scale`].map((table) => this.emit.gather(table, ids, 0));
    const scaled = this.emit.op('Mul', [this.emit.castToFloat(values ?? ''), scales ?? '']);
    return this.toFloat(scaled);
  }

  /**
   * Reads and writes all weights, one at a time, and gives the model.
   * @param onWeight called before each
   * @throws {FastvError} `malformed-model` for a weight that is no number, or too large for its type
   */
  async write(data: Data, onWeight: () => void): Promise<ModelProto> {
    const initializer: TensorProto[] = [...this.emit.initializers];
    for (const write of this.#weights.values()) {
      onWeight();
      initializer.push(...(await write(data)));
    }
    const graph = create(GraphProtoSchema, {
      name: this.name,
      node: this.emit.nodes,
      input: this.#inputs,
      output: this.#outputs,
      initializer,
    });
    const opset = (domain: string, number: number) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(number) });
    return create(ModelProtoSchema, {
      irVersion: 8n,
      producerName: 'fastv',
      producerVersion: version,
      opsetImport: [opset('', OPSET), opset(MICROSOFT, 1)],
      graph,
    });
  }

  #product(x: string, weight: Source): string {
    const [outputs = 0, inputs = 0] = weight.dims;
    const layer = { activation: x, elementType: this.float, inFeatures: inputs, outFeatures: outputs };
    switch (this.dtype) {
      case 'fp32':
      case 'fp16':
        return this.emit.op('MatMul', [x, this.#add(weight.name, this.#turned(weight))]);
      case 'q8': {
        const values = this.#add(`${weight.name}/int8`, this.#int8(weight));
        return int8Product(this.emit, layer, { values, scales: `${values}/scale` }, this.#activations);
      }
      case 'q4':
      case 'q4f16': {
        const values = this.#add(`${weight.name}/int4`, this.#int4(weight));
        return int4Product(this.emit, layer, { values, scales: `${values}/scale` }, BLOCK);
      }
    }
  }

  #add(name: string, write: WriteWeight): string {
    if (!this.#weights.has(name)) this.#weights.set(name, write);
    return name;
  }

  /** As the file has it, in another float type. */
  #plain(source: Source, name: string, type: DataType): WriteWeight {
    return async (data) => {
      const width = type === DataType.FLOAT ? 4 : 2;
      const bytes = await source.checked();
      if (source.dataType === type) return [this.#place(name, type, source.dims, bytes, data)];
      const count = bytes.length / (source.dataType === DataType.FLOAT ? 4 : 2);
      const matrix = count === 0 ? undefined : new FloatMatrix(bytesAsSource(bytes), {
        dataType: source.dataType, inputs: count, outputs: 1, transposed: false,
      }); // prettier-ignore
      const convert = function* (this: PartGraph): Generator<Uint8Array<ArrayBuffer>> {
        for (let from = 0; from < count; from += STRIP) {
          const values = matrix?.ofInputs(from, Math.min(count, from + STRIP)) ?? new Float32Array();
          yield this.#converted(values, type, source);
        }
      };
      if (count * width < INLINE) {
        const [rawData = new Uint8Array()] = [...convert.call(this)];
        return [tensor(name, type, source.dims, { rawData })];
      }
      const { placed } = data.file(count * width).tensor((write) => {
        for (const part of convert.call(this)) write(part);
      });
      return [tensor(name, type, source.dims, placed)];
    };
  }

  /** [outputs, inputs] as [inputs, outputs], in the type of the activations. */
  #turned(source: Source): WriteWeight {
    return async (data) => {
      const [outputs = 0, inputs = 0] = source.dims;
      const matrix = await this.#matrix(source, inputs, outputs);
      const strip = Math.max(1, Math.floor(STRIP / outputs));
      const width = this.float === DataType.FLOAT ? 4 : 2;
      const { placed } = data.file(inputs * outputs * width).tensor((write) => {
        for (let from = 0; from < inputs; from += strip) {
          const values = matrix.ofInputs(from, Math.min(inputs, from + strip));
          write(this.#converted(values, this.float, source));
        }
      });
      return [tensor(source.name, this.float, [inputs, outputs], placed)];
    };
  }

  #int8(source: Source): WriteWeight {
    return async (data) => {
      const [outputs = 0, inputs = 0] = source.dims;
      const matrix = await this.#matrix(source, inputs, outputs);
      const scales = int8Scales(matrix);
      const { placed, result } = data
        .file(inputs * outputs)
        .tensor((write) => quantizeInt8(matrix, scales, write));
      this.#report(source, inputs, outputs, result);
      return [
        tensor(`${source.name}/int8`, DataType.INT8, [inputs, outputs], placed),
        this.#small(`${source.name}/int8/scale`, [outputs], scales, data),
      ];
    };
  }

  #int4(source: Source): WriteWeight {
    return async (data) => {
      const [outputs = 0, inputs = 0] = source.dims;
      const blocks = Math.ceil(inputs / BLOCK);
      const matrix = await this.#matrix(source, inputs, outputs);
      const { placed, result } = data
        .file((outputs * blocks * BLOCK) / 2)
        .tensor((write) => quantizeInt4(matrix, BLOCK, write));
      this.#report(source, inputs, outputs, result.loss);
      return [
        tensor(`${source.name}/int4`, DataType.UINT8, [outputs, blocks, BLOCK / 2], placed),
        this.#small(`${source.name}/int4/scale`, [outputs * blocks], result.scales, data),
      ];
    };
  }

  async #matrix(source: Source, inputs: number, outputs: number): Promise<FloatMatrix> {
    const bytes = await source.checked();
    const { dataType } = source;
    return new FloatMatrix(bytesAsSource(bytes), { dataType, inputs, outputs, transposed: true });
  }

  /** Scales: in the graph's file where they are few. int8 keeps them in float32. */
  #small(name: string, dims: readonly number[], values: Float32Array<ArrayBuffer>, data: Data): TensorProto {
    const half = this.float === DataType.FLOAT16 && this.dtype === 'q4f16' && name.endsWith('/int4/scale');
    const type = half ? DataType.FLOAT16 : DataType.FLOAT;
    const halves = half ? toHalves(values) : values;
    if (halves === undefined) throw tooLarge(name);
    return this.#place(name, type, dims, new Uint8Array(halves.buffer), data);
  }

  #place(
    name: string,
    type: DataType,
    dims: readonly number[],
    bytes: Uint8Array<ArrayBuffer>,
    data: Data,
  ): TensorProto {
    if (bytes.length < INLINE) return tensor(name, type, dims, { rawData: bytes.slice() });
    const { placed } = data.file(bytes.length).tensor((write) => {
      write(bytes);
    });
    return tensor(name, type, dims, placed);
  }

  #converted(values: Float32Array, type: DataType, { name }: Source): Uint8Array<ArrayBuffer> {
    if (type === DataType.FLOAT) {
      return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
    }
    const halves = toHalves(values);
    if (halves === undefined) throw tooLarge(name);
    return new Uint8Array(halves.buffer);
  }

  #report({ name: weight }: Source, inFeatures: number, outFeatures: number, { error, energy }: Loss): void {
    this.quantized.push({ weight, inFeatures, outFeatures, relativeError: Math.sqrt(error / (energy || 1)) });
  }
}

function rowsAsInt8(
  matrix: FloatMatrix,
  scales: Float32Array,
  file: DataFile,
): { readonly placed: Partial<TensorProto>; readonly loss: Loss } {
  const { inputs: rows, outputs: width } = matrix;
  const strip = Math.max(1, Math.floor(STRIP / width));
  const { placed, result: loss } = file.tensor((write) => {
    const sum = { error: 0, energy: 0 };
    for (let from = 0; from < rows; from += strip) {
      const values = matrix.ofInputs(from, Math.min(rows, from + strip));
      const quantized = new Int8Array(values.length);
      for (let i = 0; i < values.length; i++) {
        const value = values[i] ?? 0;
        const scale = scales[from + Math.floor(i / width)] ?? 1;
        const q = Math.round(value / scale);
        quantized[i] = q;
        sum.error += (value - q * scale) ** 2;
        sum.energy += value * value;
      }
      write(new Uint8Array(quantized.buffer));
    }
    return sum;
  });
  return { placed, loss };
}

function tensor(
  name: string,
  dataType: DataType,
  dims: readonly number[],
  place: Partial<TensorProto>,
): TensorProto {
  return Object.assign(create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt) }), place);
}

function tooLarge(name: string): FastvError {
  return new FastvError('malformed-model', `"${name}" has numbers that are too large for float16`, {
    where: name,
    hint: 'Build this part as fp32, q8 or q4.',
  });
}
