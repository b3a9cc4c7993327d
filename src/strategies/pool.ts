// The image tokens of each row, gathered: all of them together, or those of each image apart. A row's images are rows of
// their own here (a group), so that whatever works on groups works on images.
import type { Emitter } from '../onnx/index.js';
import type { StageContext } from './strategy.js';

/** Groups of image tokens. Places beyond a group's own are fillers. */
export interface Groups {
  /** How many there are to a row of the batch: int64 [1]; one where images are not apart. */
  readonly perRow: string;
  /** Places of their tokens in the row, ascending: int64 [groups, m], m at least 1. */
  readonly places: string;
  /** Which of them are tokens: bool [groups, m]. */
  readonly filled: string;
  /** Where they are among the flattened [batch · sequence] tokens: int64 [groups, m]. */
  readonly flat: string;
}

/**
 * The image tokens of each row.
 * @param image the image of each token, from 1, 0 for none: int64 [batch, sequence]; undefined: they are not apart
 */
export function groupsOf(emit: Emitter, imageTokenMask: string, image?: string): Groups {
  const { perRow, places, filled } =
    image === undefined ? wholeRows(emit, imageTokenMask) : apart(emit, image);
  const rows = emit.range(emit.dim(imageTokenMask, 0));
  const starts = emit.op('Mul', [rows, emit.dim(imageTokenMask, 1)]);
  const perGroup = emit.op('Expand', [
    emit.unsqueeze(starts, 1),
    emit.concat([emit.dim1(imageTokenMask, 0), perRow], 0),
  ]);
  const flat = emit.op('Add', [places, emit.reshape(perGroup, emit.ints(-1, 1))]);
  return { perRow, places, filled, flat };
}

type Places = Omit<Groups, 'flat'>;

/** Fillers stand at other places of the row. */
function wholeRows(emit: Emitter, imageTokenMask: string): Places {
  const ones = emit.castToFloat(imageTokenMask);
  const counts = emit.reduce('ReduceSum', emit.castToInt64(imageTokenMask), [1], false);
  const most = emit.op('Max', [emit.reduce('ReduceMax', counts, [0], true), emit.ints(1)]);
  const [, places = ''] = emit.ops('TopK', [ones, most], { outputs: 2, attributes: { axis: 1n } });
  const marks = emit.op('GatherElements', [emit.castToInt64(imageTokenMask), places], {
    attributes: { axis: 1n },
  });
  return { perRow: emit.ints(1), places, filled: emit.castToBool(marks) };
}

/** Tokens sorted by their images; fillers stand at places of other images. */
function apart(emit: Emitter, image: string): Places {
  const one = emit.ints(1);
  const images = emit.op('Max', [emit.reduce('ReduceMax', image, [0, 1], false), emit.int(1)]);
  const numbers = emit.op('Range', [emit.int(1), emit.op('Add', [images, emit.int(1)]), emit.int(1)]);
  const own = emit.op('Equal', [emit.unsqueeze(image, 2), emit.unsqueeze(numbers, 0, 1)]); // [batch, sequence, images]
  const counts = emit.reduce('ReduceSum', emit.castToInt64(own), [1], false); // [batch, images]
  const most = emit.op('Max', [emit.reduce('ReduceMax', counts, [0, 1], true), emit.ints(1)]);
  const width = emit.reshape(most, one);
  // TopK takes the lower place first among equals: of -1, -2, … by image, text last.
  const isImage = emit.op('Greater', [image, emit.int(0)]);
  const last = emit.op('Sub', [emit.int(-1), images]);
  const keys = emit.castToFloat(emit.op('Where', [isImage, emit.op('Neg', [image]), last]));
  const length = emit.dim1(image, 1);
  const [, sorted = ''] = emit.ops('TopK', [keys, length], { outputs: 2, attributes: { axis: 1n } });
  const starts = emit.op('Sub', [emit.op('CumSum', [counts, emit.int(1)]), counts]);
  const columns = emit.range(emit.reshape(width, emit.ints()));
  const at = emit.op('Add', [emit.unsqueeze(starts, 2), columns]); // [batch, images, m]
  const within = emit.op('Min', [at, emit.op('Sub', [length, one])]);
  const shape = emit.concat([emit.dim1(image, 0), emit.ints(-1)], 0);
  const places = emit.op('GatherElements', [sorted, emit.reshape(within, shape)], {
    attributes: { axis: 1n },
  });
  const groups = emit.concat([emit.ints(-1), width], 0);
  const filled = emit.op('Less', [columns, emit.unsqueeze(counts, 2)]);
  return {
    perRow: emit.reshape(images, one),
    places: emit.reshape(places, groups),
    filled: emit.reshape(filled, groups),
  };
}

/** What is known of each token, [batch, sequence, …rest], for the tokens of groups: [groups, m, …rest]. */
export function intoGroups(emit: Emitter, { flat }: Groups, tensor: string): string {
  const rest = emit.slice(emit.op('Shape', [tensor]), emit.ints(2), emit.ints(Number.MAX_SAFE_INTEGER), 0);
  return emit.gather(emit.reshape(tensor, emit.concat([emit.ints(-1), rest], 0)), flat, 0);
}

/** Numbers of the groups' tokens, float32 [groups, m], as those of all tokens: float32 [batch, sequence], 0 elsewhere. */
export function outOfGroups(emit: Emitter, { flat, filled }: Groups, values: string, like: string): string {
  const size = emit.op('Size', [like]);
  // Fillers stand where others do too: they all go to one place more.
  const at = emit.reshape(emit.op('Where', [filled, flat, size]), emit.ints(-1));
  const none = emit.op('Expand', [
    emit.float(0),
    emit.op('Add', [emit.reshape(size, emit.ints(1)), emit.int(1)]),
  ]);
  const all = emit.op('ScatterElements', [none, at, emit.reshape(values, emit.ints(-1))], {
    attributes: { axis: 0n },
  });
  return emit.reshape(emit.slice(all, emit.ints(0), emit.ints(-1), 0), emit.op('Shape', [like]));
}

/** Above any weight over a rank, and small enough that weights tell images apart beside it. */
const FIRST = 1024;

/**
 * How urgently each token of an image is wanted, given its rank there: the highest averages of Webster and Sainte-Laguë,
 * weight / (rank + ½), by which seats go to parties. The first token of every image comes before all second ones, those
 * of heavier images first.
 * @param rank from 0: int64 of any shape
 * @param weight of its image, 0 … 1: float32, broadcast with it
 */
export function quotients(emit: Emitter, rank: string, weight: string): string {
  const share = emit.op('Div', [weight, emit.op('Add', [emit.castToFloat(rank), emit.float(0.5)])]);
  const first = emit.op('Add', [weight, emit.float(FIRST)]);
  return emit.op('Where', [emit.op('Equal', [rank, emit.int(0)]), first, share]);
}

/** How many tokens each group keeps: of a row as many as that does, of an image its share. int64 [groups] */
export function keptOfGroups(
  context: Pick<StageContext, 'emit' | 'keepCount' | 'perImage'>,
  groups: Groups,
): string {
  const { emit } = context;
  const shares = context.perImage();
  if (shares === undefined) return context.keepCount();
  const { filled, perRow } = groups;
  const weight = intoGroups(emit, groups, shares.weight);
  const wanted = emit.op('Where', [
    filled,
    quotients(emit, emit.range(emit.dim(filled, 1)), weight),
    emit.float(-1),
  ]);
  // The most urgent places of all images of a row, as many as it keeps.
  const batch = emit.op('Div', [emit.dim1(filled, 0), perRow]);
  const rows = emit.reshape(wanted, emit.concat([batch, emit.ints(-1)], 0));
  const [, order = ''] = emit.ops('TopK', [rows, emit.dim1(rows, 1)], {
    outputs: 2,
    attributes: { axis: 1n },
  });
  const taken = emit.op('Less', [emit.range(emit.dim(rows, 1)), emit.unsqueeze(context.keepCount(), 1)]);
  const marks = emit.op('ScatterElements', [order, order, emit.ones(taken)], { attributes: { axis: 1n } });
  const own = emit.op('Where', [filled, emit.reshape(marks, emit.op('Shape', [filled])), emit.int(0)]);
  return emit.reduce('ReduceSum', own, [1], false);
}

/**
 * Scores by which every image keeps its share: its own best tokens, as many as its weight gives it, one at least. What is
 * NaN stays so.
 * @param scores float32 [batch, sequence]
 * @example
 * const scores = sharedOut(context, strategy.score(context));
 */
export function sharedOut(
  context: Pick<StageContext, 'emit' | 'imageTokenMask' | 'perImage'>,
  scores: string,
): string {
  const { emit, imageTokenMask } = context;
  const shares = context.perImage();
  if (shares === undefined) return scores;
  const groups = groupsOf(emit, imageTokenMask, shares.image);
  const own = intoGroups(emit, groups, scores);
  const known = emit.op('Equal', [own, own]);
  const lowest = emit.float(-3.4028234663852886e38);
  const ranked = emit.op('Where', [emit.op('And', [groups.filled, known]), own, lowest]);
  const width = emit.dim1(ranked, 1);
  const [, order = ''] = emit.ops('TopK', [ranked, width], { outputs: 2, attributes: { axis: 1n } });
  // The rank of each is where the order has it.
  const places = emit.op('Expand', [emit.range(emit.dim(ranked, 1)), emit.op('Shape', [order])]);
  const rank = emit.op('ScatterElements', [order, order, places], { attributes: { axis: 1n } });
  const wanted = quotients(emit, rank, intoGroups(emit, groups, shares.weight));
  return outOfGroups(emit, groups, emit.op('Where', [known, wanted, own]), scores);
}
