// Quantises a decoder's linear layers, streaming: one strip of one weight is in memory at a time.
//
// int8: DynamicQuantizeLinear → MatMulInteger (int8 weight) → Cast → Mul by both scales. Standard operators; ONNX
//   Runtime fuses them. Layers that read the same activation share its quantisation.
// int8-portable: the same with 7 bits, which no processor's kernels can saturate (int8.ts): for files that travel.
// uint8: the same as int8 and 128, zero point 128: for processors whose int8 kernels saturate.
// int4: MatMulNBits (com.microsoft), accuracy_level 4: on the CPU activations are quantised to int8 block by block.
//
// With int8, weights that are uint8 already are recentred on the way (recentre.ts), which loses nothing. All
// other 8-bit and 4-bit weights stay as they are.
import { FastvError } from '../errors.js';
import {
  allNames,
  create,
  DataType,
  editModel,
  Emitter,
  floatAttribute,
  GraphProtoSchema,
  GraphView,
  input,
  isOperator,
  label,
  MICROSOFT,
  opsetOf,
  tensorBytes,
  TensorProto_DataLocation,
  TensorProtoSchema,
  withFields,
  withGraph,
  type OnnxModel,
  type OpOptions,
  type TensorProto,
} from '../onnx/index.js';
import { linearLayers, type LinearLayer } from '../decoder/linear.js';
import { flipSigns, recentre } from './recentre.js';
import type { DataFile } from './data-file.js';
import { quantizeInt4 } from './int4.js';
import { int8Scales, LEVELS, quantizeInt8, type Loss } from './int8.js';
import { FloatMatrix, isFloat, toHalfBits } from './matrix.js';
import { bytesAsSource, type ByteSource } from './source.js';

/** What weights become. */
export const QUANTIZED_TYPES = ['int8', 'int8-portable', 'uint8', 'int4'] as const;
export type QuantizedType = (typeof QUANTIZED_TYPES)[number];

export interface QuantizeOptions {
  readonly type: QuantizedType;
  /** int4: weights a scale. Default 32. */
  readonly block?: number;
  /** Layers whose node or weight name contains one of these stay as they are. */
  readonly exclude?: readonly string[];
  /** Called before each weight that is written. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** One layer that was quantised. */
export interface QuantizedLayer {
  readonly weight: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** ‖W − Ŵ‖ / ‖W‖. */
  readonly relativeError: number;
}

export interface Quantized {
  readonly model: OnnxModel;
  readonly layers: readonly QuantizedLayer[];
  /** Weights that went from uint8 to int8 without loss. */
  readonly recentred: number;
}

/** Tensors that are not quantised stay inside the model up to this size. */
const INLINE = 1024;
/** Unchanged weights are copied in pieces of this size. */
const COPY = 8 * 2 ** 20;

/**
 * Quantises a decoder.
 * @param read a tensor's bytes, wherever they are
 * @param data where weights are written, in order
 * @returns a new model whose weights lie in `data`; the given one stays as it was
 * @throws {FastvError} `invalid-input` if there is nothing to do
 */
export function quantize(
  source: OnnxModel,
  read: (tensor: TensorProto) => ByteSource,
  data: DataFile,
  options: QuantizeOptions,
): Quantized {
  const steps = quantizing(source, read, data, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** {@link quantize}, a weight a step, for a caller that has other things to look after. */
export function* quantizing(
  source: OnnxModel,
  read: (tensor: TensorProto) => ByteSource,
  data: DataFile,
  options: QuantizeOptions,
): Generator<undefined, Quantized> {
  const { block = 32, exclude = [] } = options;
  if (![16, 32, 64, 128, 256].includes(block)) {
    throw new FastvError('invalid-option', `a block of ${block} weights is not possible`, {
      where: '--block',
      hint: 'choose 16, 32, 64, 128 or 256',
    });
  }
  const none = { model: source, weights: new Set<string>(), external: new Set<string>() };
  const {
    model,
    weights: recentred,
    external,
  } = options.type === 'int8' ? recentre(source, { external: true }) : none;
  const view = new GraphView(model.graph);
  const linears = linearLayers(view);
  const idle = exclude.find((part) => !linears.some((linear) => isNamed(linear, part)));
  if (idle !== undefined) {
    throw new FastvError('invalid-option', `no layer has ${JSON.stringify(idle.slice(0, 100))} in its name`, {
      where: '--exclude',
      hint: `there are, for example, ${[linears[0], linears.at(-1)].map((linear) => linear?.weight.name ?? '').join(', ')}`,
    });
  }
  const chosen = linears.filter((linear) => canQuantize(linear, options));
  if (chosen.length === 0 && recentred.size === 0) {
    throw new FastvError('invalid-input', 'the model has no linear layer to quantise', {
      hint: 'Its weights may be quantised already: `fastv inspect` shows their types.',
    });
  }

  const emit = new Emitter(opsetOf(model), allNames(model.graph));
  const layers: QuantizedLayer[] = [];
  const written = new Map<string, Weight>();
  const added: TensorProto[] = [];
  const activations = new Map<string, readonly string[]>();

  for (const [done, linear] of chosen.entries()) {
    options.onProgress?.(done, chosen.length);
    yield;
    const key = `${linear.weight.name} ${linear.transposed}`;
    let weight = written.get(key);
    if (weight === undefined) {
      weight = writeWeight(linear, matrixOf(linear, read), data, emit, added, { type: options.type, block });
      written.set(key, weight);
      const { inFeatures, outFeatures } = linear;
      layers.push({
        weight: linear.weight.name,
        inFeatures,
        outFeatures,
        relativeError: Math.sqrt(weight.loss.error / (weight.loss.energy || 1)),
      });
    }
    const [output = ''] = linear.node.output;
    const bias = biasOf(linear);
    const named = bias === '' ? { output } : {};
    const product =
      options.type === 'int4'
        ? int4Product(emit, linear, weight, block, named)
        : int8Product(emit, linear, weight, activations, named);
    if (bias !== '') emit.op('Add', [product, bias], { output });
  }
  options.onProgress?.(chosen.length, chosen.length);

  const replace = new Map(chosen.map(({ node }) => [node, []]));
  const edited = editModel(model, { replace, emit, constants: added });
  const after = new GraphView(edited.graph);
  const done = new Set(added);
  const initializer: TensorProto[] = [];
  for (const tensor of edited.graph.initializer) {
    if (after.consumers(tensor.name).length === 0 && !after.outputs.has(tensor.name)) continue;
    initializer.push(done.has(tensor) ? tensor : relocate(tensor, read, data, external.has(tensor.name)));
    yield;
  }
  const input = edited.graph.input.filter(({ name }) => after.inputs.has(name));
  const graph = withFields(GraphProtoSchema, edited.graph, { initializer, input, valueInfo: [] });
  return { model: withGraph(edited, graph), layers, recentred: recentred.size };
}

/** A quantised weight, by the names of its tensors. */
export interface QuantizedWeight {
  readonly values: string;
  readonly scales: string;
  /** uint8: 128. */
  readonly zeroPoint?: string;
}

/** A quantised weight in the data file. */
interface Weight extends QuantizedWeight {
  readonly loss: Loss;
}

/** A linear layer as far as its product needs it. */
export type Product = Pick<LinearLayer, 'activation' | 'elementType' | 'inFeatures' | 'outFeatures'>;

function canQuantize(linear: LinearLayer, { exclude = [] }: QuantizeOptions): boolean {
  const { node, weight } = linear;
  if (!['MatMul', 'Gemm', 'FusedMatMul', 'FusedGemm'].includes(node.opType)) return false;
  if (!isFloat(weight.dataType) || !isFloat(linear.elementType)) return false;
  if (floatAttribute(node, 'alpha', 1) !== 1 || floatAttribute(node, 'beta', 1) !== 1) return false;
  if (node.attribute.some(({ name }) => name === 'activation' || name.startsWith('transBatch'))) return false;
  return !exclude.some((part) => isNamed(linear, part));
}

function isNamed({ node, weight }: LinearLayer, part: string): boolean {
  return node.name.includes(part) || weight.name.includes(part);
}

function matrixOf(linear: LinearLayer, read: (tensor: TensorProto) => ByteSource): FloatMatrix {
  const { weight, inFeatures: inputs, outFeatures: outputs, transposed } = linear;
  const bytes = read(weight);
  if (bytes.length !== tensorBytes(weight) || bytes.length === 0) {
    throw new FastvError('malformed-model', `the weight "${weight.name}" has ${bytes.length} bytes`, {
      where: label(linear.node),
      hint: 'Check that the model and its data file are complete.',
    });
  }
  return new FloatMatrix(bytes, { dataType: weight.dataType, inputs, outputs, transposed });
}

function writeWeight(
  linear: LinearLayer,
  matrix: FloatMatrix,
  data: DataFile,
  emit: Emitter,
  added: TensorProto[],
  { type, block }: { type: QuantizedType; block: number },
): Weight {
  const { weight, inFeatures, outFeatures } = linear;
  const values = emit.fresh(`${weight.name}/${type}`);
  const scales = emit.fresh(`${weight.name}/${type}/scale`);
  const add = (name: string, dataType: DataType, dims: number[], placed: Partial<TensorProto>): void => {
    added.push(Object.assign(create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt) }), placed));
  };
  if (type !== 'int4') {
    const levels = type === 'int8-portable' ? LEVELS.portable : LEVELS.full;
    const unsigned = type === 'uint8';
    const channel = int8Scales(matrix, levels);
    const { placed, result: loss } = data.tensor((write) =>
      quantizeInt8(matrix, channel, write, { levels, unsigned }),
    );
    add(values, unsigned ? DataType.UINT8 : DataType.INT8, [inFeatures, outFeatures], placed);
    add(scales, DataType.FLOAT, [outFeatures], place(data, channel));
    if (!unsigned) return { values, scales, loss };
    const zeroPoint = emit.fresh(`${weight.name}/${type}/zero_point`);
    add(zeroPoint, DataType.UINT8, [], { rawData: Uint8Array.of(128) });
    return { values, scales, zeroPoint, loss };
  }
  const blocks = Math.ceil(inFeatures / block);
  const { placed, result } = data.tensor((write) => quantizeInt4(matrix, block, write));
  add(values, DataType.UINT8, [outFeatures, blocks, block / 2], placed);
  // MatMulNBits wants scales in the type of the activations
  const half = linear.elementType === F16;
  const stored = half ? Uint16Array.from(result.scales, toHalfBits) : result.scales;
  add(scales, half ? DataType.FLOAT16 : DataType.FLOAT, [outFeatures * blocks], place(data, stored));
  return { values, scales, loss: result.loss };
}

const F16: number = DataType.FLOAT16;
const F32: number = DataType.FLOAT;

/** Puts scales into the model where they are few, else into the data file. */
function place(
  data: DataFile,
  values: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>,
): Partial<TensorProto> {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (bytes.length < INLINE) return { rawData: bytes };
  return data.tensor((write) => {
    write(bytes);
  }).placed;
}

/** The product of an activation and an int8 weight: [.., outFeatures]. */
export function int8Product(
  emit: Emitter,
  linear: Product,
  weight: QuantizedWeight,
  activations: Map<string, readonly string[]>,
  named: OpOptions = {},
): string {
  const { activation, elementType } = linear;
  const float = elementType === F32;
  let quantized = activations.get(activation);
  if (quantized === undefined) {
    const x = float ? activation : emit.cast(activation, DataType.FLOAT);
    quantized = emit.ops('DynamicQuantizeLinear', [x], { outputs: 3 });
    activations.set(activation, quantized);
  }
  const [q = '', scale = '', zero = ''] = quantized;
  const zeroPoints = weight.zeroPoint === undefined ? [zero] : [zero, weight.zeroPoint];
  const product = emit.cast(emit.op('MatMulInteger', [q, weight.values, ...zeroPoints]), DataType.FLOAT);
  const scales = emit.op('Mul', [scale, weight.scales]);
  if (float) return emit.op('Mul', [product, scales], named);
  return castTo(emit, emit.op('Mul', [product, scales]), elementType, named);
}

/** The product of an activation and an int4 weight: [.., outFeatures]. */
export function int4Product(
  emit: Emitter,
  linear: Product,
  weight: QuantizedWeight,
  block: number,
  named: OpOptions = {},
): string {
  const { activation, elementType, inFeatures, outFeatures } = linear;
  const bfloat = elementType !== F32 && elementType !== F16;
  const y = emit.op(
    'MatMulNBits',
    [bfloat ? emit.cast(activation, DataType.FLOAT) : activation, weight.values, weight.scales],
    {
      ...(bfloat ? {} : named),
      domain: MICROSOFT,
      attributes: {
        K: BigInt(inFeatures),
        N: BigInt(outFeatures),
        bits: 4n,
        block_size: BigInt(block),
        accuracy_level: 4n,
      },
    },
  );
  return bfloat ? castTo(emit, y, elementType, named) : y;
}

/** Gemm adds a bias. */
function biasOf({ node }: LinearLayer): string {
  return isOperator(node, 'Gemm') || isOperator(node, 'FusedGemm') ? input(node, 'C') : '';
}

/** Moves a weight that stays as it is into the data file. */
function relocate(
  tensor: TensorProto,
  read: (tensor: TensorProto) => ByteSource,
  data: DataFile,
  flip: boolean,
): TensorProto {
  const outside = tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
  if (!outside && tensor.rawData.length < INLINE) return tensor;
  const source = outside ? read(tensor) : bytesAsSource(tensor.rawData);
  const { placed } = data.tensor((write) => {
    for (let offset = 0; offset < source.length; offset += COPY) {
      const bytes = source.read(offset, Math.min(COPY, source.length - offset));
      write(flip ? flipSigns(bytes.slice()) : bytes);
    }
  });
  return withFields(TensorProtoSchema, tensor, { ...placed, rawData: new Uint8Array() });
}

/** Back to the activations' type, which tensors say as a plain number. */
function castTo(emit: Emitter, x: string, elementType: number, named: OpOptions): string {
  return emit.op('Cast', [x], { ...named, attributes: { to: BigInt(elementType) } });
}
