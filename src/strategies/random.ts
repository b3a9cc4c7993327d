// The baseline that knows nothing: image tokens are drawn. What does not beat it has learnt nothing of the image.
import type { CallerStrategy } from './strategy.js';

export const random = {
  where: 'caller',
  name: 'random',
  description: 'tokens are drawn, by the seed (baseline)',
  baseline: true,
  seeded: true,
  scores: ({ length }, { seed, row }) => randomScores(length, seed, row),
} as const satisfies CallerStrategy;

/**
 * Random scores, the same for the same seed and row.
 * @param n tokens of the row
 */
export function randomScores(n: number, seed: number, row: number): Float32Array {
  // splitmix32: small, and enough for drawing tokens
  const high = Math.trunc(seed / 2 ** 32);
  let state =
    (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b) ^ Math.imul(high, 0xc2b2ae35)) >>> 0;
  return Float32Array.from({ length: n }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    // 24 bits: exact in float32, in [0, 1)
    return ((z ^ (z >>> 15)) >>> 8) / 0x1000000;
  });
}
