import { cosine, describeSetStrategy, pickGreedily, scaledAttention } from '../../test/set-strategies.js';
import { mmr } from './mmr.js';

describeSetStrategy(mmr, (tokens, count) => {
  const attention = scaledAttention(tokens);
  return pickGreedily(tokens.length, count, (place, picked) => {
    const likeness = picked.map((i) => cosine(tokens[place]?.vector ?? [], tokens[i]?.vector ?? []));
    return 0.5 * (attention[place] ?? 0) - 0.5 * Math.max(-1, ...likeness);
  });
});
