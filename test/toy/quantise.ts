// Weight quantisation as exporters do it: 4-bit blocks for MatMulNBits, 8-bit columns for QDQ, 8-bit matrices for
// MatMulInteger. Each returns what the graph stores and the numbers that it stands for.

import { roundTo, type FloatType } from './half.js';

export const int4BlockSize = 32;

export type QuantisedMatrix =
  | {
      /** com.microsoft MatMulNBits: `packed` is [outputs, blocks, 16] bytes, low nibble first, zero point 8. */
      readonly kind: 'int4';
      readonly packed: Uint8Array<ArrayBuffer>;
      /** [outputs, blocks] */
      readonly scales: Float32Array;
      readonly dequantised: Float32Array;
    }
  | {
      /** DequantizeLinear over int8 [inputs, outputs] with one scale a column. */
      readonly kind: 'qdq';
      readonly values: Int8Array<ArrayBuffer>;
      readonly scales: Float32Array;
      readonly dequantised: Float32Array;
    }
  | {
      /** MatMulInteger's right side with one scale: uint8 with zero point 128, or int8 with zero point 0. */
      readonly kind: 'dynamic-uint8' | 'dynamic-int8';
      readonly values: Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer>;
      readonly scale: number;
      readonly dequantised: Float32Array;
    };

export function quantise(
  kind: QuantisedMatrix['kind'],
  raw: Float32Array,
  inputs: number,
  outputs: number,
  dtype: FloatType,
): QuantisedMatrix {
  switch (kind) {
    case 'int4':
      return int4(raw, inputs, outputs, dtype);
    case 'qdq':
      return qdq(raw, inputs, outputs, dtype);
    case 'dynamic-uint8':
    case 'dynamic-int8':
      return dynamic(kind, raw);
  }
}

function int4(raw: Float32Array, inputs: number, outputs: number, dtype: FloatType): QuantisedMatrix {
  const blocks = Math.ceil(inputs / int4BlockSize);
  const packed = new Uint8Array((outputs * blocks * int4BlockSize) / 2);
  const scales = new Float32Array(outputs * blocks);
  const dequantised = new Float32Array(raw.length);
  for (let column = 0; column < outputs; column++) {
    for (let block = 0; block < blocks; block++) {
      const first = block * int4BlockSize;
      const last = Math.min(first + int4BlockSize, inputs);
      let largest = 1e-6;
      for (let row = first; row < last; row++) {
        largest = Math.max(largest, Math.abs(raw[row * outputs + column] ?? 0));
      }
      const index = column * blocks + block;
      const scale = roundTo(dtype, Float32Array.of(largest / 7))[0] ?? 0;
      scales[index] = scale;
      for (let row = first; row < last; row++) {
        const level = clamp(Math.round((raw[row * outputs + column] ?? 0) / scale), -8, 7);
        const place = (index * int4BlockSize) / 2 + ((row - first) >> 1);
        packed[place] = (packed[place] ?? 0) | ((level + 8) << ((row - first) % 2 === 0 ? 0 : 4));
        dequantised[row * outputs + column] = level * scale;
      }
    }
  }
  return { kind: 'int4', packed, scales, dequantised };
}

function qdq(raw: Float32Array, inputs: number, outputs: number, dtype: FloatType): QuantisedMatrix {
  const values = new Int8Array(raw.length);
  const scales = new Float32Array(outputs);
  const dequantised = new Float32Array(raw.length);
  for (let column = 0; column < outputs; column++) {
    let largest = 1e-6;
    for (let row = 0; row < inputs; row++) {
      largest = Math.max(largest, Math.abs(raw[row * outputs + column] ?? 0));
    }
    const scale = roundTo(dtype, Float32Array.of(largest / 127))[0] ?? 0;
    scales[column] = scale;
    for (let row = 0; row < inputs; row++) {
      const index = row * outputs + column;
      const level = clamp(Math.round((raw[index] ?? 0) / scale), -127, 127);
      values[index] = level;
      dequantised[index] = level * scale;
    }
  }
  return { kind: 'qdq', values, scales, dequantised };
}

function dynamic(kind: 'dynamic-uint8' | 'dynamic-int8', raw: Float32Array): QuantisedMatrix {
  const scale = Math.fround(raw.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-6) / 127);
  const levels = Int8Array.from(raw, (x) => clamp(Math.round(x / scale), -127, 127));
  const dequantised = Float32Array.from(levels, (level) => level * scale);
  const values = kind === 'dynamic-int8' ? levels : Uint8Array.from(levels, (level) => level + 128);
  return { kind, values, scale, dequantised };
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, x));
}
