import { cosine, describeSetStrategy, pickGreedily } from '../../test/set-strategies.js';
import { attentionDiversity } from './attention-diversity.js';

describeSetStrategy(attentionDiversity, (tokens, count) =>
  pickGreedily(tokens.length, count, (place, picked) => {
    const others = picked.length > 0 ? picked : tokens.map((_, i) => i).filter((i) => i !== place);
    const { attention = 0, vector = [] } = tokens[place] ?? {};
    return attention * Math.min(4, ...others.map((i) => 1 - cosine(vector, tokens[i]?.vector ?? [])));
  }),
);
