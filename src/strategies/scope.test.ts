import { cosine, describeSetStrategy, pickGreedily } from '../../test/set-strategies.js';
import { scope } from './scope.js';

describeSetStrategy(scope, (tokens, count) => {
  const likeness = (i: number, j: number): number => cosine(tokens[i]?.vector ?? [], tokens[j]?.vector ?? []);
  const coverage = (set: readonly number[]): number =>
    tokens.reduce((sum, _, u) => sum + Math.max(0, ...set.map((j) => likeness(u, j))), 0);
  return pickGreedily(tokens.length, count, (place, picked) => {
    return (tokens[place]?.attention ?? 0) * (coverage([...picked, place]) - coverage(picked));
  });
});
