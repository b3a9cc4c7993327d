import { cosine, describeSetStrategy } from '../../test/set-strategies.js';
import { vispruner } from './vispruner.js';

describeSetStrategy(
  vispruner,
  (tokens, count) => {
    const paid = (i: number): number => tokens[i]?.attention ?? NaN;
    const order = tokens.map((_, i) => i).sort((a, b) => paid(b) - paid(a) || a - b);
    const first = Math.min(Math.max(Math.floor(count / 2), 1), count);
    let rest = order.slice(first);
    while (rest.length > count - first) {
      const [a, b] = [0, 1].map((hand) => rest.filter((_, i) => i % 2 === hand));
      const likeness = (i: number): number =>
        Math.max(-2, ...(b ?? []).map((j) => cosine(tokens[i]?.vector ?? [], tokens[j]?.vector ?? [])));
      const most = Math.min(8, rest.length - (count - first), a?.length ?? 0);
      // of equals the later one goes
      const sorted = (a ?? []).toReversed().sort((x, y) => likeness(y) - likeness(x));
      rest = [...sorted.slice(most), ...(b ?? [])];
    }
    return [...order.slice(0, first), ...rest];
  },
  { grows: false },
);
