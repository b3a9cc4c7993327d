// VisPruner (arXiv 2412.01818): half of the tokens by attention. Of the others duplicates go, some at a time: they are
// dealt by turns into two hands, in the order of their attention, and those of the first hand that are most like one of
// the second go, eight at most (of equals the later ones), until as many are left as are wanted; what stays of the first hand then
// lies by falling likeness in front of the second. The authors' attention is the vision encoder's, and they prune
// before the decoder; here it is the last token's.
import type { Emitter } from '../onnx/index.js';
import { LOWEST, pickAmong, type Pool } from './greedy.js';
import { loop } from './loop.js';
import type { GraphStrategy } from './strategy.js';

/** Duplicates that go at a time. */
const AT_ONCE = 8;

export const vispruner = {
  where: 'graph',
  name: 'vispruner',
  description: 'half by attention, the rest without duplicates (VisPruner, arXiv 2412.01818)',
  needsLayer: true,
  score: (context) =>
    pickAmong(context, { relevance: context.lastRowAttention(), features: context.features() }, picked),
} as const satisfies GraphStrategy;

function picked({ emit, open, keep, relevance, features }: Pool): string {
  const count = emit.reduce('ReduceSum', emit.ones(open), [1], false);
  const width = emit.dim(open, 1);
  const ranked = emit.op('Where', [open, relevance, emit.float(LOWEST)]);
  const [, order = ''] = emit.ops('TopK', [ranked, emit.reshape(width, emit.ints(1))], {
    outputs: 2,
    attributes: { axis: 1n },
  });
  const one = emit.int(1);
  const byAttention = emit.op('Min', [emit.op('Max', [emit.op('Div', [keep, emit.int(2)]), one]), keep]);
  const wanted = emit.op('Sub', [keep, byAttention]);
  const left = emit.op('Max', [emit.op('Sub', [count, byAttention]), emit.int(0)]);
  const last = emit.op('Sub', [width, one]);
  // One place more than there are tokens, so that neither hand is ever empty.
  const dealt = emit.range(emit.op('Add', [width, one]));
  const behind = emit.op('Min', [emit.op('Add', [dealt, emit.unsqueeze(byAttention, 1)]), last]);
  const list = emit.op('GatherElements', [order, behind], { attributes: { axis: 1n } });
  // Below sixteen only half of what is left can go at a time: some turns more are enough.
  const most = emit.reduce('ReduceMax', emit.op('Sub', [left, wanted]), [0], false);
  const turns = emit.op('Add', [
    emit.op('Div', [emit.op('Max', [most, emit.int(0)]), emit.int(AT_ONCE)]),
    emit.int(5),
  ]);
  const [stay = '', staying = ''] = loop(
    emit,
    turns,
    [
      { tensor: list, type: 'int64' },
      { tensor: left, type: 'int64' },
    ],
    (body, _, [names = '', length = '']) => withoutDuplicates(body, features, names, length, wanted),
  );
  const attended = scores(emit, order, byAttention, width, keep);
  const others = scores(emit, stay, emit.op('Min', [staying, wanted]), width, wanted);
  return emit.op('Where', [open, emit.op('Max', [attended, others]), emit.float(NaN)]);
}

/**
 * One turn.
 * @param names places of tokens in their group, those that are left first: int64 [groups, n]
 * @param length how many are left: int64 [groups]
 * @param wanted how many are to be left in the end: int64 [groups]
 */
function withoutDuplicates(
  emit: Emitter,
  features: string,
  names: string,
  length: string,
  wanted: string,
): [string, string] {
  const hand = (from: number): string =>
    emit.op('Slice', [
      names,
      emit.ints(from),
      emit.ints(Number.MAX_SAFE_INTEGER),
      emit.ints(1),
      emit.ints(2),
    ]);
  // The first hand from its end, so that of equals the later one goes.
  const [first, second] = [fromEnd(emit, hand(0)), hand(1)];
  const held = emit.op('Div', [emit.op('Add', [length, emit.int(1)]), emit.int(2)]); // in the first hand
  const before = (of: string, count: string): string =>
    emit.op('Less', [emit.range(emit.dim(of, 1)), emit.unsqueeze(count, 1)]);
  const inSecond = before(second, emit.op('Sub', [length, held]));
  const rows = (of: string): string => {
    const shape = emit.concat([emit.op('Shape', [of]), emit.dim1(features, 2)], 0);
    const at = emit.op('Expand', [emit.unsqueeze(of, 2), shape]);
    return emit.op('GatherElements', [features, at], { attributes: { axis: 1n } });
  };
  const cosines = emit.op('MatMul', [rows(first), emit.transpose(rows(second), 0, 2, 1)]);
  const likeness = emit.reduce(
    'ReduceMax',
    emit.op('Where', [emit.unsqueeze(inSecond, 1), cosines, emit.float(-2)]),
    [2],
    false,
  );
  const ranked = emit.op('Where', [fromEnd(emit, before(first, held)), likeness, emit.float(-4)]);
  const [, order = ''] = emit.ops('TopK', [ranked, emit.dim1(first, 1)], {
    outputs: 2,
    attributes: { axis: 1n },
  });
  const surplus = emit.op('Min', [
    emit.op('Sub', [length, wanted]),
    emit.op('Min', [held, emit.int(AT_ONCE)]),
  ]);
  const gone = emit.op('Max', [surplus, emit.int(0)]);
  const stays = emit.op('And', [before(first, held), emit.op('Not', [before(first, gone)])]);
  // What stays of both moves up to the front.
  const sorted = emit.op('GatherElements', [first, order], { attributes: { axis: 1n } });
  const all = emit.concat([sorted, second], 1);
  const size = emit.dim(all, 1);
  const behind = emit.op('Neg', [size]);
  const keys = emit.op('Where', [
    emit.concat([stays, inSecond], 1),
    emit.op('Neg', [emit.range(size)]),
    behind,
  ]);
  const [, front = ''] = emit.ops('TopK', [emit.castToFloat(keys), emit.dim1(all, 1)], {
    outputs: 2,
    attributes: { axis: 1n },
  });
  const next = emit.op('GatherElements', [all, front], { attributes: { axis: 1n } });
  return [next, emit.op('Sub', [length, gone])];
}

/** A tensor [groups, n] backwards. */
function fromEnd(emit: Emitter, x: string): string {
  return emit.op('Slice', [
    x,
    emit.ints(-1),
    emit.ints(-Number.MAX_SAFE_INTEGER),
    emit.ints(1),
    emit.ints(-1),
  ]);
}

/** Scores above 0 for the first `count` names of each group, falling from `top`: float32 [groups, m]. */
function scores(emit: Emitter, names: string, count: string, width: string, top: string): string {
  const places = emit.range(emit.dim(names, 1));
  const taken = emit.op('Less', [places, emit.unsqueeze(count, 1)]);
  const values = emit.castToFloat(emit.op('Sub', [emit.unsqueeze(top, 1), places]));
  // Other names may stand there twice: they all go to one place more.
  const at = emit.op('Where', [taken, names, width]);
  const shape = emit.concat(
    [emit.dim1(names, 0), emit.reshape(emit.op('Add', [width, emit.int(1)]), emit.ints(1))],
    0,
  );
  const none = emit.op('Expand', [emit.float(0), shape]);
  const all = emit.op('ScatterElements', [none, at, values], { attributes: { axis: 1n } });
  return emit.slice(all, emit.ints(0), emit.ints(-1), 1);
}
