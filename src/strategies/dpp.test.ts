import { cosine, describeSetStrategy, pickGreedily, scaledAttention } from '../../test/set-strategies.js';
import { dpp } from './dpp.js';

/** The determinant of a symmetric positive matrix, by elimination. */
function determinant(matrix: readonly (readonly number[])[]): number {
  const rows = matrix.map((row) => [...row]);
  return rows.reduce((product, row, i) => {
    const pivot = row[i] ?? 0;
    for (const lower of rows.slice(i + 1)) {
      const factor = (lower[i] ?? 0) / pivot;
      row.forEach((value, j) => (lower[j] = (lower[j] ?? 0) - factor * value));
    }
    return product * pivot;
  }, 1);
}

// by its definition: the determinant of the kernel of what is picked
describeSetStrategy(dpp, (tokens, count) => {
  const r = scaledAttention(tokens).map((a) => a + 1e-6);
  const kernel = (i: number, j: number): number =>
    (r[i] ?? 0) * cosine(tokens[i]?.vector ?? [], tokens[j]?.vector ?? []) * (r[j] ?? 0);
  return pickGreedily(tokens.length, count, (place, picked) => {
    const set = [...picked, place];
    return determinant(set.map((i) => set.map((j) => kernel(i, j))));
  });
});
