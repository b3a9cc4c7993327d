// int8, signed, symmetric, one scale an output channel: q = round(w / s), s = max |w| / 127, zero point 0.
//
// Signed and symmetric because ONNX Runtime's signed kernels are the fast ones; a scale a channel because it costs
// nothing (it is multiplied into the result) and keeps a channel of large weights from coarsening the others.
import type { FloatMatrix } from './matrix.js';

/** Weights held in memory at a time. */
const STRIP = 4 * 2 ** 20;

/** What quantisation lost of a matrix: the squared error and the squared weights, summed. */
export interface Loss {
  error: number;
  energy: number;
}

/** The scale of each output channel; a channel of zeros gets 1. */
export function int8Scales(matrix: FloatMatrix): Float32Array<ArrayBuffer> {
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
  return largest.map((most) => (most === 0 ? 1 : most / 127));
}

/**
 * Quantises a matrix, strip by strip.
 * @param scales from {@link int8Scales}
 * @param write gets the bytes of [inputs, outputs] int8, in order
 */
export function quantizeInt8(
  matrix: FloatMatrix,
  scales: Float32Array,
  write: (bytes: Uint8Array<ArrayBuffer>) => void,
): Loss {
  const { inputs, outputs } = matrix;
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
      const q = Math.max(-127, Math.min(127, Math.round(w / s)));
      quantized[i] = q;
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
