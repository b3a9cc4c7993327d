import { describeScoreStrategy } from '../../test/score-strategies.js';
import { v2drop } from './v2drop.js';

describeScoreStrategy(v2drop, ({ before, after }) =>
  Math.hypot(...after.map((x, i) => x - (before[i] ?? NaN))),
);
