// DART (arXiv 2502.11494): pivots are the four image tokens and the four text tokens whose keys have the largest L1 norm.
// The image's pivots are kept; then each pivot in turn keeps the tokens least like it of those that are left. Every pivot
// takes as many, the first ones one more where that does not come out even, so that exactly K are kept (the authors keep
// 8⌊K/8⌋ + 4). Where a row has fewer than four text tokens, more of its image's take their place. The
// authors prune behind layer 2.
import type { Emitter } from '../onnx/index.js';
import { greedy, type Pool, type Step } from './greedy.js';
import type { GraphStrategy, StageContext } from './strategy.js';
import { textMask } from './text-rows.js';

/** Pivots of the image, and of the text. */
const PIVOTS = 4;

export const dart = {
  where: 'graph',
  name: 'dart',
  description:
    'tokens least like the keys of largest norm, of the image and of the text (DART, arXiv 2502.11494)',
  needsLayer: true,
  score: (context) => {
    const { emit } = context;
    const keys = emit.castToFloat(context.keys()); // [batch, KV heads, sequence, head size]
    const norms = emit.reduce('ReduceSum', emit.op('Abs', [keys]), [1, 3], false);
    const features = context.features();
    const ofText = textPivots(context, norms, features);
    return greedy(context, {
      relevance: norms,
      features,
      start: () => [],
      gain: (step) => {
        const { emit: body, pool, turn } = step;
        const own = imagePivots(pool);
        const first = body.op('Less', [turn, own.count]);
        return body.op('Where', [first, pool.relevance, body.op('Neg', [likeness(step, own, ofText)])]);
      },
      next: () => [],
    });
  },
} as const satisfies GraphStrategy;

interface Pivots {
  /** float32 [groups, count, size] */
  readonly features: string;
  /** int64 scalar */
  readonly count: string;
}

/** The four image tokens of each group with the largest norms. */
function imagePivots({ emit, open, relevance, features }: Pool): Pivots {
  const norms = emit.op('Where', [open, relevance, emit.float(-1)]);
  const count = emit.op('Min', [emit.dim1(norms, 1), emit.ints(PIVOTS)]);
  const [, places = ''] = emit.ops('TopK', [norms, count], { outputs: 2, attributes: { axis: 1n } });
  return { features: rowsOf(emit, features, places), count: emit.reshape(count, emit.ints()) };
}

/** The four text tokens of each row with the largest norms, image tokens where these are fewer. */
function textPivots(context: StageContext, norms: string, features: string): Pivots {
  const { emit, imageTokenMask } = context;
  // NaN is below nothing
  const isNumber = emit.op('Less', [norms, emit.float(3.4e38)]);
  const known = emit.op('Where', [isNumber, norms, emit.float(0)]);
  const largest = emit.reduce('ReduceMax', known, [1], true);
  const scaled = emit.op('Div', [known, emit.op('Max', [largest, emit.float(1e-30)])]);
  const others = emit.op('Where', [imageTokenMask, scaled, emit.float(-1)]);
  const ranks = emit.op('Where', [textMask(context), emit.op('Add', [scaled, emit.float(2)]), others]);
  const count = emit.op('Min', [emit.dim1(ranks, 1), emit.ints(PIVOTS)]);
  const [, places = ''] = emit.ops('TopK', [ranks, count], { outputs: 2, attributes: { axis: 1n } });
  return { features: rowsOf(emit, features, places), count: emit.reshape(count, emit.ints()) };
}

/** The cosine of every token with the pivot whose turn it is: float32 [groups, m]. */
function likeness({ emit, pool, turn }: Step, image: Pivots, text: Pivots): string {
  const groups = emit.dim1(pool.features, 0);
  const perRow = emit.op('Div', [groups, emit.dim1(text.features, 0)]);
  // the text of a row is that of each of its groups
  const shape = emit.op('Shape', [text.features]);
  const rest = emit.slice(shape, emit.ints(1), emit.ints(3), 0);
  const each = emit.op('Expand', [
    emit.unsqueeze(text.features, 1),
    emit.concat([emit.dim1(text.features, 0), perRow, rest], 0),
  ]);
  const ofText = emit.reshape(each, emit.concat([groups, rest], 0));
  const pivots = emit.concat([image.features, ofText], 1);
  const count = emit.dim(pivots, 1);
  const places = emit.op('Max', [emit.op('Sub', [pool.keep, image.count]), emit.int(0)]); // [groups]
  const each1 = emit.op('Div', [places, count]);
  const more = emit.op('Sub', [places, emit.op('Mul', [each1, count])]);
  const at = emit.op('Sub', [turn, image.count]);
  const long = emit.op('Add', [each1, emit.int(1)]);
  const ofLong = emit.op('Mul', [more, long]);
  const behind = emit.op('Div', [emit.op('Sub', [at, ofLong]), emit.op('Max', [each1, emit.int(1)])]);
  const pivot = emit.op('Where', [
    emit.op('Less', [at, ofLong]),
    emit.op('Div', [at, long]),
    emit.op('Add', [more, behind]),
  ]);
  const within = emit.op('Max', [emit.op('Min', [pivot, emit.op('Sub', [count, emit.int(1)])]), emit.int(0)]);
  const own = rowsOf(emit, pivots, emit.unsqueeze(within, 1)); // [groups, 1, size]
  const all = emit.op('MatMul', [own, emit.transpose(pool.features, 0, 2, 1)]);
  return emit.reshape(all, emit.ints(0, -1));
}

/** Rows of a tensor [groups, n, size] at places [groups, p]. */
function rowsOf(emit: Emitter, x: string, places: string): string {
  const shape = emit.concat([emit.op('Shape', [places]), emit.dim1(x, 2)], 0);
  const at = emit.op('Expand', [emit.unsqueeze(places, 2), shape]);
  return emit.op('GatherElements', [x, at], { attributes: { axis: 1n } });
}
