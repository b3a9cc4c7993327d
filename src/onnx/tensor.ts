// Small tensors: reading the constants that steer a graph (axes, shapes, scales) and making new ones.
// Weights never come here.
import { create } from './message.js';
import {
  TensorProto_DataLocation,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
  type TensorProto,
} from './schema.js';

/** ONNX element types, by the field's own name. */
export { TensorProto_DataType as DataType } from './schema.js';

/**
 * A protobuf field's number as an element type; UNDEFINED if there is no such type.
 * @example
 * dataType(tensor.dataType) === DataType.FLOAT16;
 */
export function dataType(number: number): DataType {
  return isDataType(number) ? number : DataType.UNDEFINED;
}

/**
 * The name of an element type; `UNDEFINED` if there is no such type.
 * @example
 * dataTypeName(tensor.dataType); // 'FLOAT16'
 */
export function dataTypeName(number: number): string {
  return NAMES.get(number) ?? 'UNDEFINED';
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(DataType).map(([name, number]) => [number, name]),
);

function isDataType(number: number): number is DataType {
  return NAMES.has(number);
}

/** Constants longer than this are data, not structure, and are not read. */
const MAX_STRUCTURAL = 4096;

/**
 * The number of elements that a tensor's dims promise, or undefined if they are negative or absurd.
 * @example
 * elementCount(floatTensor([1, 2, 3, 4], [2, 2])); // 4
 */
export function elementCount(tensor: TensorProto): number | undefined {
  let count = 1;
  for (const dim of tensor.dims) {
    if (dim < 0n || dim > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    count *= Number(dim);
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/**
 * The values of a small int64 or int32 tensor; undefined if it is anything else (external, too long, inconsistent).
 * @example
 * const axes = readInts(int64Tensor([1, 2])); // [1, 2]
 */
export function readInts(tensor: TensorProto): number[] | undefined {
  const count = elementCount(tensor);
  if (count === undefined || count > MAX_STRUCTURAL) return undefined;
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) return undefined;
  const { rawData } = tensor;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  const read = (width: number, at: (offset: number) => number): number[] | undefined =>
    rawData.length === count * width ? Array.from({ length: count }, (_, i) => at(i * width)) : undefined;
  switch (dataType(tensor.dataType)) {
    case DataType.INT64:
      if (rawData.length > 0) return read(8, (offset) => Number(view.getBigInt64(offset, true)));
      return tensor.int64Data.length === count ? tensor.int64Data.map(Number) : undefined;
    case DataType.INT32:
      if (rawData.length > 0) return read(4, (offset) => view.getInt32(offset, true));
      return tensor.int32Data.length === count ? [...tensor.int32Data] : undefined;
    default:
      return undefined;
  }
}

/**
 * An int64 constant. `dims` defaults to one axis; pass `[]` for a scalar.
 * @example
 * const shape = int64Tensor([0, 0, 32, -1]); // for a Reshape
 */
export function int64Tensor(
  values: readonly number[],
  dims: readonly number[] = [values.length],
): TensorProto {
  return rawTensor(DataType.INT64, dims, new BigInt64Array(values.map(BigInt)));
}

/**
 * A float32 constant.
 * @example
 * const scale = floatTensor([0.125], []); // a scalar
 */
export function floatTensor(
  values: readonly number[],
  dims: readonly number[] = [values.length],
): TensorProto {
  return rawTensor(DataType.FLOAT, dims, new Float32Array(values));
}

/**
 * A float64 constant.
 * @example
 * const half = doubleTensor([0.5], []); // a scalar
 */
export function doubleTensor(
  values: readonly number[],
  dims: readonly number[] = [values.length],
): TensorProto {
  return rawTensor(DataType.DOUBLE, dims, new Float64Array(values));
}

function rawTensor(type: DataType, dims: readonly number[], values: ArrayBufferView): TensorProto {
  return create(TensorProtoSchema, {
    dataType: type,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(values.buffer.slice(0) as ArrayBuffer),
  });
}
