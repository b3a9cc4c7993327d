import { describe, expect, it } from 'vitest';
import { toHalfBits, toFloats } from '../quantize/matrix.js';
import { DataType } from '../onnx/tensor.js';
import { toHalves } from './half.js';

describe('float16 from float32', () => {
  it('gives every float16 back', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((b) => (b & 0x7c00) !== 0x7c00);
    const values = toFloats(new Uint8Array(bits.buffer), DataType.FLOAT16);
    expect(toHalves(values)).toEqual(bits);
  });

  it('rounds as the conversion of single numbers does, ties to even', () => {
    const values = Float32Array.from({ length: 20_000 }, (_, i) => {
      const size = 2 ** ((i % 45) - 28);
      return (i % 2 === 0 ? 1 : -1) * size * (1 + ((i * 2654435761) % 4096) / 4096);
    }).filter((value) => Math.abs(value) < 65520);
    expect(toHalves(values)).toEqual(Uint16Array.from(values, toHalfBits));
    const tie = Float32Array.of(2 ** -24 * 2.5, 2 ** -24 * 3.5, 1 + 2 ** -11, 1 + 3 * 2 ** -11);
    expect(toHalves(tie)).toEqual(Uint16Array.from(tie, toHalfBits));
  });

  it('says when a number is too large', () => {
    expect(toHalves(Float32Array.of(1, 65519))).toEqual(Uint16Array.of(0x3c00, 0x7bff));
    expect(toHalves(Float32Array.of(1, -65520))).toBeUndefined();
  });
});
