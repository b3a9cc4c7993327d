// The baseline that spreads: an even grid over each image, whatever it shows.
import type { CallerStrategy } from './strategy.js';

export const grid = {
  where: 'caller',
  name: 'grid',
  description: 'an even grid over each image is kept (baseline)',
  baseline: true,
  scores: ({ length, images }) => {
    const scores = new Float32Array(length);
    for (const { positions, rows, columns } of images) {
      const own = gridScores(rows, columns);
      positions.forEach((position, i) => (scores[position] = own[i] ?? 0));
    }
    return scores;
  },
} as const satisfies CallerStrategy;

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
