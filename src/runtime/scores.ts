// Scores of the baselines that look at no attention: the graph keeps the image tokens with the highest scores.

/**
 * Random scores, the same for the same seed and row.
 * @param n tokens of the row
 */
export function randomScores(n: number, seed: number, row: number): Float32Array {
  // splitmix32: small, and enough for drawing tokens
  let state = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b)) >>> 0;
  return Float32Array.from({ length: n }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    // 24 bits: exact in float32, in [0, 1)
    return ((z ^ (z >>> 15)) >>> 8) / 0x1000000;
  });
}

/**
 * Scores that keep an even grid whatever the ratio: the thresholds of ordered dithering (Bayer's matrix), so that any
 * number of kept tokens is spread over the picture.
 * @returns a score for each of `rows` × `columns` tokens, row by row, falling with the threshold
 */
export function gridScores(rows: number, columns: number): Float32Array {
  let bits = 0;
  while (1 << bits < Math.max(rows, columns)) bits++;
  const cells = 4 ** bits;
  return Float32Array.from({ length: rows * columns }, (_, index) => {
    const x = index % columns;
    const y = Math.floor(index / columns);
    let threshold = 0;
    // the coarsest bit of the place decides the finest bit of the order
    for (let bit = 0; bit < bits; bit++) {
      const dx = (x >> bit) & 1;
      const dy = (y >> bit) & 1;
      threshold = threshold * 4 + ((dx ^ dy) * 2 + dy);
    }
    return 1 - threshold / cells;
  });
}
