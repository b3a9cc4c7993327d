import { cosine, describeSetStrategy, type Token } from '../../test/set-strategies.js';
import { dart } from './dart.js';

const norm = ({ vector }: Token): number => vector.reduce((sum, x) => sum + Math.abs(x), 0);
const byNorm = (tokens: readonly Token[]): Token[] => tokens.toSorted((a, b) => norm(b) - norm(a));

describeSetStrategy(
  dart,
  (tokens, count, text) => {
    const ofImage = byNorm(tokens).slice(0, 4);
    const pivots = [...ofImage, ...[...byNorm(text), ...byNorm(tokens)].slice(0, 4)];
    const kept = ofImage.slice(0, count);
    const more = Math.max(0, Math.min(count, tokens.length) - kept.length);
    pivots.forEach((pivot, i) => {
      const quota = Math.floor(more / pivots.length) + (i < more % pivots.length ? 1 : 0);
      for (let turn = 0; turn < quota; turn++) {
        const [least] = tokens
          .filter((token) => !kept.includes(token))
          .toSorted((a, b) => cosine(a.vector, pivot.vector) - cosine(b.vector, pivot.vector));
        if (least !== undefined) kept.push(least);
      }
    });
    return kept.map((token) => tokens.indexOf(token));
  },
  { grows: false },
);
