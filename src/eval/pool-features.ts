/**
 * Fewer image tokens without pruning, for encoders of a fixed resolution: the square grid of an image's
 * features is averaged over areas to a smaller grid, as scaling an image down averages its pixels.
 */

/**
 * @param features [images, side², width]
 * @returns [images, target², width]
 */
export function poolFeatures(
  features: Float32Array,
  images: number,
  side: number,
  target: number,
  width: number,
): Float32Array {
  const out = new Float32Array(images * target * target * width);
  const spans = Array.from({ length: target }, (_, i) => span(i, side, target));
  for (let image = 0; image < images; image++) {
    spans.forEach((rows, y) => {
      spans.forEach((columns, x) => {
        const to = ((image * target + y) * target + x) * width;
        for (const [row, a] of rows) {
          for (const [column, b] of columns) {
            const from = ((image * side + row) * side + column) * width;
            for (let k = 0; k < width; k++)
              out[to + k] = (out[to + k] ?? 0) + a * b * (features[from + k] ?? 0);
          }
        }
      });
    });
  }
  return out;
}

/** Which old cells a new one covers, and the share of it that each makes up. */
function span(index: number, side: number, target: number): readonly (readonly [number, number])[] {
  const [from, to] = [(index * side) / target, ((index + 1) * side) / target];
  const cells: [number, number][] = [];
  for (let cell = Math.floor(from); cell < Math.min(side, Math.ceil(to - 1e-9)); cell++) {
    cells.push([cell, (Math.min(to, cell + 1) - Math.max(from, cell)) / (to - from)]);
  }
  return cells;
}
