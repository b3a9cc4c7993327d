// The largest head: a token is kept if any one head of layer K−1 looks at it, where the paper's mean over heads lets many
// indifferent heads outvote one that has found something. What it costs is that of the paper's own ranking.
import type { GraphStrategy } from './strategy.js';

export const headMax = {
  where: 'graph',
  name: 'head-max',
  description: 'attention that the last token pays at layer K−1, of the head that pays most',
  needsLayer: true,
  score: (context) => context.emit.reduce('ReduceMax', context.lastRowHeads(), [1], false),
} as const satisfies GraphStrategy;
