// The same picks as greedy.ts for gains that never grow from pick to pick (of submodular sets: coverage), by looking at few
// tokens a turn: what a token would have added before is more than it can add now, so only those whose old gain is among the
// largest are looked at again, and one is picked when none can have more (Minoux, Accelerated greedy algorithms for
// maximizing submodular set functions, 1978).
//
// 1. A turn looks again at {@link AT_ONCE} tokens, and picks one where the largest gain is a new one. Where it is an old one
//    the turn picks none, and the next one looks at it; a row or image that has picked enough waits for the others.
// 2. Rules of greedy.ts hold: groups, ties, NaN.
import type { Emitter } from '../onnx/index.js';
import { LOWEST, poolOf, rowsAt, type Greedy, type Pool } from './greedy.js';
import { groupsOf, keptOfGroups, outOfGroups } from './pool.js';
import type { StageContext } from './strategy.js';

/** Tokens that a turn looks at again. */
const AT_ONCE = 32;

/** A strategy whose gains never grow. m is the number of image tokens of the group that has the most. */
export interface LazyGreedy extends Pick<Greedy, 'relevance' | 'features'> {
  /** What is known before the first pick: float32 [groups, m]. */
  readonly start: (pool: Pool) => string;
  /** What some tokens, n of each group, would add: float32 [groups, n]. */
  readonly gain: (look: Look) => string;
  /** The same as {@link start} after a pick. */
  readonly next: (pick: Pick<Look, 'emit' | 'pool' | 'state' | 'at'>) => string;
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
  return context.emit.onProcessor(() => picked(context, strategy));
}

function picked(context: StageContext, strategy: LazyGreedy): string {
  const { emit, imageTokenMask } = context;
  const groups = groupsOf(emit, imageTokenMask, context.perImage()?.image);
  const keep = keptOfGroups(context, groups);
  const pool = poolOf(context, groups, keep, strategy);
  const picks = emit.reduce('ReduceMax', keep, [0], false);
  const width = emit.dim1(pool.open, 1);
  const atOnce = emit.op('Min', [width, emit.ints(AT_ONCE)]);
  const enough = emit.op('Mul', [
    picks,
    emit.op('Add', [emit.op('Div', [emit.dim(pool.open, 1), emit.int(AT_ONCE)]), emit.int(2)]),
  ]);
  const start = strategy.start(pool);
  const all = (tensor: string): string => tensor;
  const carried = [
    { tensor: emit.op('Where', [pool.open, emit.float(0), emit.float(NaN)]), type: 'float32' },
    { tensor: pool.open, type: 'bool' },
    { tensor: strategy.gain({ emit, pool, state: start, at: all }), type: 'float32' },
    { tensor: pool.open, type: 'bool' },
    { tensor: emit.op('Mul', [keep, emit.int(0)]), type: 'int64' },
    { tensor: start, type: 'float32' },
  ] as const;
  const unfinished = (e: Emitter, open: string, count: string): string =>
    e.op('And', [open, e.unsqueeze(e.op('Less', [count, picks]), 1)]);
  const [ranks = ''] = emit.loop(
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
      // Where fewer are old, the others keep what they have.
      const looked = strategy.gain({ emit: body, pool, state, at: among });
      const values = body.op('Where', [among(old), looked, among(before)]);
      const put = (into: string, at: string): string =>
        body.op('ScatterElements', [into, places, at], { attributes: { axis: 1n } });
      const gains = put(before, values);
      const known = body.op('Or', [fresh, put(fresh, among(open))]);

      const best = body.op('ArgMax', [body.op('Where', [open, gains, body.float(LOWEST)])], {
        attributes: { axis: 1n, keepdims: 1n },
      }); // [groups, 1]
      const isBest = body.op('Equal', [best, body.range(body.dim(open, 1))]);
      const taken = body.op('And', [isBest, body.op('And', [known, unfinished(body, open, count)])]);
      const any = body.reduce('ReduceMax', body.ones(taken), [1], true); // [groups, 1]
      const isAny = body.op('Greater', [any, body.int(0)]);
      const at = (tensor: string): string => rowsAt(body, tensor, best);
      const next = strategy.next({ emit: body, pool, state, at });
      const left = body.castToFloat(body.op('Sub', [picks, count]));
      return [
        body.op('Where', [taken, body.unsqueeze(left, 1), rank]),
        body.op('And', [open, body.op('Not', [taken])]),
        gains,
        body.op('And', [known, body.op('Not', [isAny])]),
        body.op('Add', [count, body.reshape(any, body.ints(-1))]),
        body.op('Where', [isAny, next, state]),
      ];
    },
    (body, [, open = '', , , count = '']) =>
      body.op('Greater', [
        body.reduce('ReduceMax', body.ones(unfinished(body, open, count)), [0, 1], false),
        body.int(0),
      ]),
  );
  return outOfGroups(emit, groups, ranks, imageTokenMask);
}
