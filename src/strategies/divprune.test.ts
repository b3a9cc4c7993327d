import { cosine, describeSetStrategy, pickGreedily } from '../../test/set-strategies.js';
import { divprune } from './divprune.js';

// as the authors' code has it: a matrix of distances, the second smallest of each column first
describeSetStrategy(divprune, (tokens, count) => {
  const distances = tokens.map(({ vector: a }) => tokens.map(({ vector: b }) => 1 - cosine(a, b)));
  return pickGreedily(tokens.length, count, (place, picked) => {
    const column = distances.map((row) => row[place] ?? NaN);
    if (picked.length === 0) return column.sort((a, b) => a - b)[1] ?? 0;
    return Math.min(...picked.map((i) => column[i] ?? NaN));
  });
});
