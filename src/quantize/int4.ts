// int4 in blocks along the input axis, as ONNX Runtime's MatMulNBits takes it: two weights a byte, low nibble first,
// zero point 8, one scale a block. The scale is the block's largest weight over −8, sign and all, so that this weight
// is met exactly and all 16 values are in use (as ONNX Runtime's own quantiser has it).
import type { FloatMatrix } from './matrix.js';
import type { Loss } from './int8.js';

/** Weights held in memory at a time. */
const STRIP = 4 * 2 ** 20;

/**
 * Quantises a matrix, strip by strip.
 * @param block weights a scale: 16, 32, 64, 128 or 256
 * @param write gets the bytes of [outputs, blocks, block / 2], in order
 * @returns the scales, [outputs, blocks], and what was lost
 */
export function quantizeInt4(
  matrix: FloatMatrix,
  block: number,
  write: (bytes: Uint8Array<ArrayBuffer>) => void,
): { scales: Float32Array<ArrayBuffer>; loss: Loss } {
  const { inputs, outputs } = matrix;
  const blocks = Math.ceil(inputs / block);
  const scales = new Float32Array(outputs * blocks);
  const loss = { error: 0, energy: 0 };
  const strip = Math.max(1, Math.floor(STRIP / inputs));
  for (let from = 0; from < outputs; from += strip) {
    const to = Math.min(outputs, from + strip);
    const weights = matrix.ofOutputs(from, to);
    const packed = new Uint8Array(((to - from) * blocks * block) / 2);
    for (let n = from; n < to; n++) {
      for (let b = 0; b < blocks; b++) {
        const first = (n - from) * inputs + b * block;
        const end = Math.min(first + block, (n - from + 1) * inputs);
        const scale = blockScale(weights, first, end);
        scales[n * blocks + b] = scale;
        const at = (((n - from) * blocks + b) * block) / 2;
        // what a last, short block lacks stays at the zero point
        packed.fill(0x88, at, at + block / 2);
        for (let i = first; i < end; i++) {
          const w = weights[i] ?? 0;
          const q = Math.max(0, Math.min(15, Math.round(w / scale) + 8));
          const byte = at + ((i - first) >> 1);
          packed[byte] =
            (i - first) % 2 === 0
              ? ((packed[byte] ?? 0) & 0xf0) | q
              : ((packed[byte] ?? 0) & 0x0f) | (q << 4);
          loss.error += (w - (q - 8) * scale) ** 2;
          loss.energy += w * w;
        }
      }
    }
    write(packed);
  }
  return { scales, loss };
}

function blockScale(weights: Float32Array, first: number, end: number): number {
  let largest = 0;
  for (let i = first; i < end; i++) {
    const w = weights[i] ?? 0;
    if (Math.abs(w) > Math.abs(largest)) largest = w;
  }
  return largest === 0 ? 1 : Math.fround(largest / -8);
}
