import { describeScoreStrategy } from '../../test/score-strategies.js';
import { keyMeanNorm } from './key-mean-norm.js';

describeScoreStrategy(keyMeanNorm, ({ keys }) => {
  const [first = []] = keys;
  const mean = first.map((_, i) => keys.reduce((sum, head) => sum + (head[i] ?? NaN), 0) / keys.length);
  return -Math.hypot(...mean);
});
