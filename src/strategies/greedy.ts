// Picks image tokens one after another, each by what it adds to those that are picked already. All set strategies are
// this loop with a gain and a state of their own; the order of picking is the score, so that select (src/rewrite) keeps
// the first ones.
//
// 1. Only image tokens take part: they are gathered from each row first, so that text costs nothing. Where images have
//    shares of their own, each is picked from by itself, which costs as much less as there are images.
// 2. As many are picked as the row of the batch, or the image, that keeps the most; ties go to the lower index.
// 3. All of it runs on the processor, turn after turn; from a GPU come the relevance and, once, what tokens are compared by.
// 4. A token whose relevance or features are NaN cannot be compared with others: it is not picked, and its score is NaN.
//
// Limit: a strategy that asks for all cosines holds tokens² numbers of a group.
import type { Emitter } from '../onnx/index.js';
import { loop } from './loop.js';
import { groupsOf, intoGroups, keptOfGroups, outOfGroups, type Groups } from './pool.js';
import type { StageContext } from './strategy.js';

/** What is known of every token. */
export interface Known {
  /** What a token is worth by itself: float32 [batch, sequence]. */
  readonly relevance?: string;
  /** What tokens are compared by, rows of length 1: float32 [batch, sequence, size]. */
  readonly features: string;
}

/** A strategy of this kind. m is the number of image tokens of the group (row, or image of one) that has the most. */
export interface Greedy extends Known {
  /** What is known before the first pick: float32 tensors. */
  readonly start: (pool: Pool) => readonly string[];
  /** What each token would add: float32 [groups, m]. */
  readonly gain: (step: Step) => string;
  /** The same as {@link start} after a pick. */
  readonly next: (step: PickedStep) => readonly string[];
}

/** The image tokens of each group. Places beyond its own are filled with tokens that cannot be picked. */
export interface Pool {
  readonly emit: Emitter;
  /** Which of them can be picked: bool [groups, m]. */
  readonly open: string;
  /** float32 [groups, m]; 0 where it cannot be picked. Ones where there is no relevance. */
  readonly relevance: string;
  /** How many tokens each group keeps: int64 [groups]. */
  readonly keep: string;
  /** float32 [groups, m, size]; zeros where it cannot be picked. */
  readonly features: string;
  /** The cosine of every two tokens: float32 [groups, m, m]. */
  readonly cosines: () => string;
}

/** One turn. */
export interface Step {
  readonly emit: Emitter;
  readonly pool: Pool;
  /** Its number: int64 scalar. */
  readonly turn: string;
  readonly state: readonly string[];
}

export interface PickedStep extends Step {
  /** The picked token's row of a tensor [groups, m, …rest]: [groups, 1, …rest]. */
  readonly row: (tensor: string) => string;
  /** The cosine of every token with the picked one: float32 [groups, m]. */
  readonly cosines: () => string;
}

/** Lower than any gain. */
export const LOWEST = -3.4028234663852886e38;

/** Emits the picks as scores: float32 [batch, sequence], the first pick has the highest, a token not picked 0. */
export function greedy(context: StageContext, strategy: Greedy): string {
  return pickAmong(context, strategy, (pool) => ranksOf(pool, strategy));
}

/**
 * Emits the scores of what is picked among the image tokens, on the processor: float32 [batch, sequence].
 * @param pick emits the scores of each group's tokens: float32 [groups, m], NaN where one cannot be picked
 */
export function pickAmong(context: StageContext, known: Known, pick: (pool: Pool) => string): string {
  const { emit, imageTokenMask } = context;
  return emit.onProcessor(() => {
    const groups = groupsOf(emit, imageTokenMask, context.perImage()?.image);
    const pool = poolOf(emit, groups, keptOfGroups(context, groups), known);
    return outOfGroups(emit, groups, pick(pool), imageTokenMask);
  });
}

/** How many are picked of each group, as many as of the one that keeps the most (int64 scalar), and the scores before (float32 [groups, m]). */
export function beforePicks({ emit, open, keep }: Pool): {
  readonly picks: string;
  readonly unpicked: string;
} {
  return {
    picks: emit.reduce('ReduceMax', keep, [0], false),
    unpicked: emit.op('Where', [open, emit.float(0), emit.float(NaN)]),
  };
}

function ranksOf(pool: Pool, strategy: Greedy): string {
  const { emit } = pool;
  const { picks: turns, unpicked } = beforePicks(pool);
  const carried = [unpicked, pool.open, ...strategy.start(pool)].map((tensor, i) => ({
    tensor,
    type: i === 1 ? ('bool' as const) : ('float32' as const),
  }));
  const [picks = ''] = loop(emit, turns, carried, (body, turn, [ranks = '', open = '', ...state]) => {
    const step = { emit: body, pool, turn, state };
    const gains = body.op('Where', [open, strategy.gain(step), body.float(LOWEST)]);
    const best = body.op('ArgMax', [gains], { attributes: { axis: 1n, keepdims: 1n } }); // [batch, 1]
    // Where a row has no token left, the best is none.
    const taken = body.op('And', [body.op('Equal', [best, body.range(body.dim(open, 1))]), open]);
    const rank = body.castToFloat(body.op('Sub', [turns, turn]));
    const row = (tensor: string): string => rowsAt(body, tensor, best);
    const cosines = (): string => {
      const all = body.op('MatMul', [row(pool.features), body.transpose(pool.features, 0, 2, 1)]);
      return body.reshape(all, body.ints(0, -1));
    };
    const next = strategy.next({ ...step, row, cosines });
    return [body.op('Where', [taken, rank, ranks]), body.op('And', [open, body.op('Not', [taken])]), ...next];
  });
  return picks;
}

function poolOf(emit: Emitter, groups: Groups, keep: string, { relevance, features }: Known): Pool {
  const { filled } = groups;
  const worth = relevance === undefined ? emit.castToFloat(filled) : intoGroups(emit, groups, relevance);
  const given = emit.onDevice(() => intoGroups(emit, groups, features));
  // NaN differs from itself, and makes every sum NaN.
  const ofEach = emit.onDevice(() => emit.reduce('ReduceSum', given, [2], false));
  const sums = emit.op('Add', [worth, ofEach]);
  const open = emit.op('And', [filled, emit.op('Equal', [sums, sums])]);
  return {
    emit,
    open,
    keep,
    relevance: emit.op('Where', [open, worth, emit.float(0)]),
    get features() {
      return emit.op('Where', [emit.unsqueeze(open, 2), given, emit.float(0)]);
    },
    // The product of all is a device's work; those of what cannot be picked mean nothing.
    cosines: () =>
      emit.op('Where', [
        emit.op('And', [emit.unsqueeze(open, 2), emit.unsqueeze(open, 1)]),
        emit.onDevice(() => emit.op('MatMul', [given, emit.transpose(given, 0, 2, 1)])),
        emit.float(0),
      ]),
  };
}

/** The rows of a tensor [batch, n, …rest] at given places, int64 [batch, p]: [batch, p, …rest]. */
export function rowsAt(emit: Emitter, tensor: string, places: string): string {
  const shape = emit.op('Shape', [tensor]);
  const rest = emit.slice(shape, emit.ints(2), emit.ints(Number.MAX_SAFE_INTEGER), 0);
  const flat = emit.reshape(tensor, emit.concat([emit.ints(-1), rest], 0));
  const starts = emit.op('Mul', [emit.range(emit.dim(tensor, 0)), emit.dim(tensor, 1)]);
  return emit.gather(flat, emit.op('Add', [places, emit.unsqueeze(starts, 1)]), 0);
}

/** Relevance brought to 0 … 1 over the tokens of each row that can be picked: float32 [groups, m]. */
export function scaledRelevance({ emit, open, relevance }: Pool): string {
  const among = (fill: number): string => emit.op('Where', [open, relevance, emit.float(fill)]);
  const least = emit.reduce('ReduceMin', among(-LOWEST), [1], true);
  const range = emit.op('Sub', [emit.reduce('ReduceMax', among(LOWEST), [1], true), least]);
  const scaled = emit.op('Div', [
    emit.op('Sub', [relevance, least]),
    emit.op('Max', [range, emit.float(1e-30)]),
  ]);
  return emit.op('Where', [open, scaled, emit.float(0)]);
}
