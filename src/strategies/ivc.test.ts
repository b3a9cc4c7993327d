import {
  anglesAt,
  cosine,
  describeSetStrategy,
  pickGreedily,
  type Token,
} from '../../test/set-strategies.js';
import { ivc } from './ivc.js';

/** The sum of vectors of length 1. */
function sumOf(tokens: readonly Token[]): number[] {
  const lengths = tokens.map(({ vector }) => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0)));
  return Array.from({ length: 8 }, (_, i) =>
    tokens.reduce((sum, { vector }, t) => sum + (vector[i] ?? 0) / (lengths[t] ?? NaN), 0),
  );
}

describeSetStrategy(
  ivc,
  (tokens, count, text) => {
    const anchors = Math.ceil(count / 10);
    const seeds = Math.ceil((count - anchors) / 2);
    const sum = (place: number, of: 'cos' | 'sin'): number =>
      anglesAt(tokens[place]?.place ?? NaN).reduce((all, angle) => all + Math[of](angle), 0);
    const about = sumOf(text.length === 0 ? tokens : text);
    return pickGreedily(tokens.length, count, (place, picked) => {
      const turn = picked.length;
      if (turn < Math.ceil(anchors / 2)) return sum(place, 'cos');
      if (turn < anchors) return sum(place, 'sin');
      const found = picked.slice(anchors, anchors + seeds).flatMap((i) => tokens[i] ?? []);
      const like = turn < anchors + seeds ? about : sumOf(found);
      return cosine(tokens[place]?.vector ?? [], like);
    });
  },
  { grows: false },
);
