import { cosine, describeSetStrategy, pickGreedily } from '../../test/set-strategies.js';
import { sieveLite } from './sieve-lite.js';

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
const unit = (a: readonly number[]): number[] => {
  const length = Math.sqrt(dot(a, a));
  return a.map((x) => (length === 0 ? 0 : x / length));
};
const without = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((x, i) => x - dot(a, b) * (b[i] ?? 0));

describeSetStrategy(sieveLite, (tokens, count, text) => {
  // an orthonormal basis of what the text spans, its last token first
  const basis: number[][] = [];
  for (const { vector } of text.toReversed()) {
    const rest = basis.reduce<number[]>(without, unit(vector));
    if (dot(rest, rest) > 1e-6) basis.push(unit(rest));
  }
  const rests = tokens.map(({ vector }) => basis.reduce<number[]>(without, unit(vector)));
  return pickGreedily(tokens.length, count, (place, picked) => {
    const rest = rests[place] ?? [];
    const worth = Math.max((tokens[place]?.attention ?? 0) * Math.sqrt(dot(rest, rest)), 1e-30) ** 2;
    return picked.reduce((gain, i) => gain * Math.max(1 - cosine(rest, rests[i] ?? []) ** 2, 1e-6), worth);
  });
});
