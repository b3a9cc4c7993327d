// IVC-Prune (arXiv 2602.03060): tokens whose positions rotate by nearly nothing, or by a quarter turn, are what a model
// tells places by (implicit visual coordinates), so that some of them stay: those with the largest sum of cosines, and of
// sines. The rest is foreground: seeds whose values are most like the text's, and then the tokens most like the seeds.
// How many are anchors, a tenth, and how many seeds, half of the rest, is ours. The authors prune in the middle of the
// depth, as the preset `late` does. It needs cos and sin of the rotation: a graph that has them.
import type { Emitter } from '../onnx/index.js';
import { greedy, type Pool } from './greedy.js';
import { intoGroups, groupsOf } from './pool.js';
import type { GraphStrategy, StageContext } from './strategy.js';
import { textMask, valueFeatures } from './text-rows.js';

/** One token in so many is an anchor. */
const ANCHORS = 10;

export const ivc = {
  where: 'graph',
  name: 'ivc',
  description:
    'anchors of rotation, and tokens whose values are like the text’s (IVC-Prune, arXiv 2602.03060)',
  needsLayer: true,
  score: (context) => {
    const { emit, imageTokenMask } = context;
    const groups = emit.onProcessor(() => groupsOf(emit, imageTokenMask, context.perImage()?.image));
    const features = valueFeatures(context);
    const { cos, sin } = context.rotation();
    const sums = (x: string): string => {
      const own = emit.reduce('ReduceSum', x, [2], false); // [batch or 1, sequence]
      const all = emit.op('Expand', [own, emit.op('Shape', [imageTokenMask])]);
      return emit.onProcessor(() => intoGroups(emit, groups, all));
    };
    const [still, quarter] = [sums(cos), sums(sin)];
    const about = textSum(context, features);
    const onText = emit.op('MatMul', [features, emit.transpose(about, 0, 2, 1)]); // [batch, sequence, 1]
    const likeness = emit.reshape(onText, emit.op('Shape', [imageTokenMask]));
    const likeText = emit.onProcessor(() => intoGroups(emit, groups, likeness));
    return greedy(context, {
      features,
      // The sum of the seeds' features.
      start: ({ features: own }) => [
        emit.op('Mul', [emit.reduce('ReduceSum', own, [1], true), emit.float(0)]),
      ],
      gain: ({ emit: body, pool, turn, state: [seeds = ''] }) => {
        const { cosines, anchors, until } = phases(pool);
        const likeSeeds = body.reshape(
          body.op('MatMul', [pool.features, body.transpose(seeds, 0, 2, 1)]),
          body.ints(0, -1),
        );
        const before = (count: string): string => body.unsqueeze(body.op('Less', [turn, count]), 1);
        const foreground = body.op('Where', [before(until), likeText, likeSeeds]);
        const later = body.op('Where', [before(anchors), quarter, foreground]);
        return body.op('Where', [before(cosines), still, later]);
      },
      next: ({ emit: body, pool, turn, state: [seeds = ''], row }) => {
        const { anchors, until } = phases(pool);
        const isSeed = body.op('And', [
          body.op('Less', [turn, until]),
          body.op('GreaterOrEqual', [turn, anchors]),
        ]);
        const own = body.op('Where', [body.unsqueeze(isSeed, 1, 2), row(pool.features), body.float(0)]);
        return [body.op('Add', [seeds, own])];
      },
    });
  },
} as const satisfies GraphStrategy;

/** The sum of the text's features, of the image's where there is no text: float32 [batch, 1, size]. */
function textSum(context: StageContext, features: string): string {
  const { emit, imageTokenMask } = context;
  const text = textMask(context);
  const any = emit.op('Greater', [emit.reduce('ReduceMax', emit.ones(text), [1], true), emit.int(0)]);
  const taken = emit.op('Or', [text, emit.op('And', [imageTokenMask, emit.op('Not', [any])])]);
  const known = emit.op('Equal', [features, features]); // NaN differs from itself
  const counts = emit.op('And', [emit.unsqueeze(taken, 2), known]);
  return emit.reduce('ReduceSum', emit.op('Where', [counts, features, emit.float(0)]), [1], true);
}

/** The turns at which each group's picks change, int64 [groups]: by cosines, by sines, seeds, and the rest. */
function phases({ emit, keep }: Pool): { cosines: string; anchors: string; until: string } {
  const upper = (x: string, parts: number): string => ceilOf(emit, x, parts);
  const anchors = upper(keep, ANCHORS);
  return {
    cosines: upper(anchors, 2),
    anchors,
    until: emit.op('Add', [anchors, upper(emit.op('Sub', [keep, anchors]), 2)]),
  };
}

function ceilOf(emit: Emitter, x: string, parts: number): string {
  return emit.op('Div', [emit.op('Add', [x, emit.int(parts - 1)]), emit.int(parts)]);
}
