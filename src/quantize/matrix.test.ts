import { describe, expect, it } from 'vitest';
import { DataType } from '../onnx/tensor.js';
import { FloatMatrix, toFloats, toHalfBits } from './matrix.js';
import { bytesAsSource } from './source.js';

describe('FloatMatrix', () => {
  const values = Float32Array.from({ length: 6 }, (_, i) => i);
  const source = bytesAsSource(new Uint8Array(values.buffer));
  const layout = { dataType: DataType.FLOAT, inputs: 2, outputs: 3 };

  it('reads [in, out] either way round', () => {
    const matrix = new FloatMatrix(source, { ...layout, transposed: false });
    expect([...matrix.ofInputs(1, 2)]).toEqual([3, 4, 5]);
    expect([...matrix.ofOutputs(1, 3)]).toEqual([1, 4, 2, 5]);
  });

  it('reads [out, in] either way round', () => {
    const matrix = new FloatMatrix(source, { ...layout, transposed: true });
    expect([...matrix.ofOutputs(1, 2)]).toEqual([2, 3]);
    expect([...matrix.ofInputs(1, 2)]).toEqual([1, 3, 5]);
  });

  it('refuses bytes that are no such matrix', () => {
    expect(() => new FloatMatrix(source, { ...layout, inputs: 3, transposed: false })).toThrow(RangeError);
  });
});

describe('half precision', () => {
  it('comes back from bits as it went', () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const bytes = Uint8Array.of(bits & 255, bits >> 8, bits & 255, (bits >> 8) | 0x80);
      const [value = NaN, negative = NaN] = toFloats(bytes, DataType.FLOAT16);
      expect(toHalfBits(value)).toBe(bits);
      expect(toHalfBits(negative)).toBe(bits | 0x8000);
    }
  });

  it('rounds to the nearest, ties to even, and overflows to infinity', () => {
    expect(toHalfBits(1 + 2 ** -11)).toBe(0x3c00);
    expect(toHalfBits(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(toHalfBits(65519)).toBe(0x7bff);
    expect(toHalfBits(65520)).toBe(0x7c00);
    expect(toHalfBits(2047.9)).toBe(0x6800);
    expect(toHalfBits(2 ** -25)).toBe(0);
    expect(toHalfBits(2 ** -14 - 2 ** -26)).toBe(0x0400);
  });

  it('reads bfloat16, aligned or not', () => {
    const bytes = Uint8Array.of(0, 0x80, 0x3f, 0x20, 0xc1);
    expect([...toFloats(bytes.subarray(1), DataType.BFLOAT16)]).toEqual([1, -10]);
    expect([...toFloats(bytes.slice(1), DataType.BFLOAT16)]).toEqual([1, -10]);
  });
});
