// Heads in turn: each head of layer K−1 picks the token that it attends to most and that is not picked yet, head 0 first,
// and begins again when all have picked. A mean over heads keeps what most of them look at; here what one head alone looks
// at stays too. No paper; a control for rules that weigh heads.
import { greedy } from './greedy.js';
import type { GraphStrategy } from './strategy.js';

export const headsInTurn = {
  where: 'graph',
  name: 'heads-in-turn',
  description: 'each head of layer K−1 picks in turn what the last token attends to most',
  needsLayer: true,
  score: (context) =>
    greedy(context, {
      // A token's features are what each head pays it; nothing compares tokens by them.
      features: context.emit.transpose(context.lastRowHeads(), 0, 2, 1),
      start: () => [],
      gain: ({ emit, pool, turn }) => {
        const own = emit.gather(pool.features, emit.op('Mod', [turn, emit.dim(pool.features, 2)]), 2);
        // A head that looks at none of them would pick by place: its turn goes to the mean.
        const most = emit.reduce('ReduceMax', emit.op('Abs', [own]), [1], true);
        const looks = emit.op('Greater', [most, emit.float(0)]);
        return emit.op('Where', [looks, own, emit.reduce('ReduceMean', pool.features, [2], false)]);
      },
      next: () => [],
    }),
} as const satisfies GraphStrategy;
