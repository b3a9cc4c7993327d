// int8, signed, symmetric, one scale an output channel: q = round(w / s), s = max |w| / levels, zero point 0.
//
// Signed and symmetric because ONNX Runtime's signed kernels are the fast ones; a scale a channel because it costs
// nothing (it is multiplied into the result) and keeps a channel of large weights from coarsening the others.
//
// levels is 127, or 64 for files that travel: x86-64 processors without VNNI clamp the sum of two products at 16 bits,
// and 2 · 255 · 64 = 32,640 is below 32,767. Such weights are exact on every processor, and lose one bit. uint8 is int8
// and 128, with zero point 128: as exact everywhere, but slow where there is VNNI.
import type { FloatMatrix } from './matrix.js';

/** Weights held in memory at a time. */
const STRIP = 4 * 2 ** 20;

/** What quantisation lost of a matrix: the squared error and the squared weights, summed. */
export interface Loss {
  error: number;
  energy: number;
}

/** The largest weight of 8 bits, and of 7 bits that cannot saturate. */
export const LEVELS = { full: 127, portable: 64 } as const;

/** How weights become whole numbers. */
export interface Int8Form {
  /** The largest of them. */
  readonly levels: number;
  /** Whether 128 is added to each, so that they are uint8. */
  readonly unsigned: boolean;
}

/**
 * The scale of each output channel; a channel of zeros gets 1.
 * @param levels the largest whole number that a weight becomes
 */
export function int8Scales(matrix: FloatMatrix, levels: number = LEVELS.full): Float32Array<ArrayBuffer> {
  const largest = new Float32Array(matrix.outputs);
  const { inputs, outputs } = matrix;
  if (matrix.transposed) {
    const strip = Math.max(1, Math.floor(STRIP / inputs));
    for (let from = 0; from < outputs; from += strip) {
      const to = Math.min(outputs, from + strip);
      const weights = matrix.ofOutputs(from, to);
      for (let n = from, i = 0; n < to; n++) {
        let most = 0;
        for (const end = i + inputs; i < end; i++) most = Math.max(most, Math.abs(weights[i] ?? 0));
        largest[n] = most;
      }
    }
  } else {
    const strip = Math.max(1, Math.floor(STRIP / outputs));
    for (let from = 0; from < inputs; from += strip) {
      const weights = matrix.ofInputs(from, Math.min(inputs, from + strip));
      for (let i = 0, n = 0; i < weights.length; i++) {
        const magnitude = Math.abs(weights[i] ?? 0);
        if (magnitude > (largest[n] ?? 0)) largest[n] = magnitude;
        if (++n === outputs) n = 0;
      }
    }
  }
  return largest.map((most) => (most === 0 ? 1 : most / levels));
}

/**
 * Quantises a matrix, strip by strip.
 * @param scales from {@link int8Scales}
 * @param write gets the bytes of [inputs, outputs] int8 or uint8, in order
 */
export function quantizeInt8(
  matrix: FloatMatrix,
  scales: Float32Array,
  write: (bytes: Uint8Array<ArrayBuffer>) => void,
  { levels, unsigned }: Int8Form = { levels: LEVELS.full, unsigned: false },
): Loss {
  const { inputs, outputs } = matrix;
  const flip = unsigned ? 0x80 : 0;
  const loss = { error: 0, energy: 0 };
  const strip = Math.max(1, Math.floor(STRIP / outputs));
  for (let from = 0; from < inputs; from += strip) {
    const weights = matrix.ofInputs(from, Math.min(inputs, from + strip));
    const quantized = new Int8Array(weights.length);
    let error = 0;
    let energy = 0;
    for (let i = 0, n = 0; i < weights.length; i++) {
      const w = weights[i] ?? 0;
      const s = scales[n] ?? 1;
      const q = Math.max(-levels, Math.min(levels, Math.round(w / s)));
      quantized[i] = q ^ flip;
      error += (w - q * s) ** 2;
      energy += w * w;
      if (++n === outputs) n = 0;
    }
    loss.error += error;
    loss.energy += energy;
    write(new Uint8Array(quantized.buffer));
  }
  return loss;
}
