import { describeSetStrategy, pickGreedily } from '../../test/set-strategies.js';
import { headsInTurn } from './heads-in-turn.js';

describeSetStrategy(headsInTurn, (tokens, count) =>
  pickGreedily(tokens.length, count, (place, picked) => {
    const heads = tokens[place]?.vector ?? [];
    return heads[picked.length % heads.length] ?? NaN;
  }),
);
