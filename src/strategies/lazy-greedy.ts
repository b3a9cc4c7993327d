// The same picks as greedy.ts for gains that never grow from pick to pick (of submodular sets: coverage), by looking at few
// tokens a turn: what a token would have added before is more than it can add now, so only those whose old gain is among the
// largest are looked at again, and one is picked when none can have more (Minoux, Accelerated greedy algorithms for
// maximizing submodular set functions, 1978).
//
// 1. A turn looks again at {@link AT_ONCE} tokens, and picks one where the largest gain is a new one. Where it is an old one
//    the turn picks none, and the next one looks at it; a row or image that has picked enough waits for the others.
// 2. Rules of greedy.ts hold: groups, ties, NaN.
import type { Emitter } from '../onnx/index.js';
import { loop } from './loop.js';
import { beforePicks, LOWEST, pickAmong, rowsAt, type Known, type Pool } from './greedy.js';
import type { StageContext } from './strategy.js';

/** Tokens that a turn looks at again. */
const AT_ONCE = 32;

/** A strategy whose gains never grow. m is the number of image tokens of the group that has the most. */
export interface LazyGreedy extends Known {
  /** What is known before the first pick: float32 [groups, m]. */
  readonly start: (pool: Pool) => string;
  /** What some tokens, n of each group, would add: float32 [groups, n]. */
  readonly gain: (look: Look) => string;
  /** The same as {@link start} after a pick. */
  readonly next: (picked: Look) => string;
}

/** A look at some tokens. */
export interface Look {
  readonly emit: Emitter;
  readonly pool: Pool;
  readonly state: string;
  /** Their rows of a tensor [groups, m, …rest]: [groups, n, …rest]. */
  readonly at: (tensor: string) => string;
}

/** Emits the picks as scores: float32 [batch, sequence], the first pick has the highest, a token not picked 0. */
export function lazyGreedy(context: StageContext, strategy: LazyGreedy): string {
  return pickAmong(context, strategy, (pool) => ranksOf(pool, strategy));
}

function ranksOf(pool: Pool, strategy: LazyGreedy): string {
  const { emit, keep } = pool;
  const { picks, unpicked } = beforePicks(pool);
  const width = emit.dim1(pool.open, 1);
  const atOnce = emit.op('Min', [width, emit.ints(AT_ONCE)]);
  const enough = emit.op('Mul', [
    picks,
    emit.op('Add', [emit.op('Div', [emit.dim(pool.open, 1), emit.int(AT_ONCE)]), emit.int(2)]),
  ]);
  const start = strategy.start(pool);
  const all = (tensor: string): string => tensor;
  const looks = emit.concat([emit.dim1(pool.open, 0), atOnce], 0);
  const yes = emit.op('Expand', [emit.op('Equal', [emit.int(0), emit.int(0)]), looks]);
  const carried = [
    { tensor: unpicked, type: 'float32' },
    { tensor: pool.open, type: 'bool' },
    { tensor: strategy.gain({ emit, pool, state: start, at: all }), type: 'float32' },
    { tensor: pool.open, type: 'bool' },
    { tensor: emit.unsqueeze(emit.op('Mul', [keep, emit.int(0)]), 1), type: 'int64' },
    { tensor: start, type: 'float32' },
  ] as const;
  const [ranks = ''] = loop(
    emit,
    enough,
    carried,
    (body, _, [rank = '', open = '', before = '', fresh = '', count = '', state = '']) => {
      const old = body.op('And', [open, body.op('Not', [fresh])]);
      const [, places = ''] = body.ops(
        'TopK',
        [body.op('Where', [old, before, body.float(LOWEST)]), atOnce],
        {
          outputs: 2,
          attributes: { axis: 1n },
        },
      );
      const among = (tensor: string): string => rowsAt(body, tensor, places);
      const put = (into: string, values: string): string =>
        body.op('ScatterElements', [into, places, values], { attributes: { axis: 1n } });
      // Where fewer are old, others are looked at too: they have again what they have.
      const gains = put(before, strategy.gain({ emit: body, pool, state, at: among }));
      const known = put(fresh, yes);

      const best = body.op('ArgMax', [body.op('Where', [open, gains, body.float(LOWEST)])], {
        attributes: { axis: 1n, keepdims: 1n },
      }); // [groups, 1]
      const isBest = body.op('Equal', [best, body.range(body.dim(pool.open, 1))]);
      const taken = body.op('And', [isBest, body.op('And', [known, open])]);
      const any = body.reduce('ReduceMax', body.ones(taken), [1], true); // [groups, 1]
      const none = body.op('Equal', [any, body.int(0)]);
      const next = strategy.next({ emit: body, pool, state, at: (tensor) => rowsAt(body, tensor, best) });
      const counted = body.op('Add', [count, any]);
      const wanted = body.op('Less', [counted, picks]);
      return [
        body.op('Where', [taken, body.castToFloat(body.op('Sub', [picks, count])), rank]),
        body.op('And', [body.op('And', [open, wanted]), body.op('Not', [taken])]),
        gains,
        body.op('And', [known, none]),
        counted,
        body.op('Where', [none, state, next]),
      ];
    },
    (body, [, open = '']) =>
      body.op('Greater', [body.reduce('ReduceMax', body.ones(open), [0, 1], false), body.int(0)]),
  );
  return ranks;
}
