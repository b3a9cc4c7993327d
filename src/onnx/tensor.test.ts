import { create } from './message.js';
import { TensorProtoSchema, type TensorProto } from './schema.js';
import { describe, expect, it } from 'vitest';
import { DataType, dataType, elementCount, floatTensor, int64Tensor, readInts } from './tensor.js';

const shaped = (...dims: bigint[]): TensorProto => create(TensorProtoSchema, { dims });

describe('elementCount', () => {
  it('multiplies dims; a scalar has one element', () => {
    expect(elementCount(shaped(2n, 3n))).toBe(6);
    expect(elementCount(shaped())).toBe(1);
    expect(elementCount(shaped(0n, 5n))).toBe(0);
  });

  it('gives nothing for dims that are negative or absurd', () => {
    expect(elementCount(shaped(-1n))).toBeUndefined();
    expect(elementCount(shaped(2n ** 62n))).toBeUndefined();
    expect(elementCount(shaped(2n ** 31n, 2n ** 31n))).toBeUndefined();
  });
});

describe('readInts', () => {
  it('reads int64 and int32, raw or not', () => {
    expect(readInts(int64Tensor([1, -2, 3]))).toEqual([1, -2, 3]);
    expect(readInts(int64Tensor([7], []))).toEqual([7]);
    const raw = new Uint8Array(Int32Array.of(4, -5).buffer);
    expect(readInts(create(TensorProtoSchema, { dataType: 6, dims: [2n], rawData: raw }))).toEqual([4, -5]);
    expect(readInts(create(TensorProtoSchema, { dataType: 6, dims: [1n], int32Data: [8] }))).toEqual([8]);
    expect(readInts(create(TensorProtoSchema, { dataType: 7, dims: [1n], int64Data: [9n] }))).toEqual([9]);
  });

  it('reads bytes that are not aligned', () => {
    const bytes = new Uint8Array(9);
    bytes.set(int64Tensor([258]).rawData, 1);
    const rawData = bytes.subarray(1);
    expect(readInts(create(TensorProtoSchema, { dataType: 7, dims: [1n], rawData }))).toEqual([258]);
  });

  it('gives nothing for floats, weights elsewhere, long lists, and bytes that contradict the dims', () => {
    expect(readInts(floatTensor([1]))).toBeUndefined();
    expect(readInts(Object.assign(int64Tensor([1]), { dataLocation: 1 }))).toBeUndefined();
    expect(readInts(int64Tensor(Array.from({ length: 5000 }, () => 1)))).toBeUndefined();
    expect(readInts(int64Tensor([1, 2], [3]))).toBeUndefined();
    expect(readInts(int64Tensor([1, 2], [1]))).toBeUndefined();
  });
});

describe('dataType', () => {
  it('knows the types there are', () => {
    expect(dataType(16)).toBe(DataType.BFLOAT16);
    expect(dataType(-1)).toBe(DataType.UNDEFINED);
    expect(dataType(1e9)).toBe(DataType.UNDEFINED);
  });
});
