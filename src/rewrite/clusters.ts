// What kept tokens stand for. Dropping an image token loses what it would have weighed in the attention of later layers;
// so each dropped one joins the kept one that it is most like (token merging: Bolya et al., arXiv 2210.09461).
//
// 1. Likeness is the cosine of the residual stream; of equals the lower place.
// 2. Tokens join their own image only: a run of image tokens, with no other token between them. Where none of an image
//    is kept, its tokens join none.
// 3. A token that has members already (of an earlier stage) brings them along; sizes count tokens of the call.
// 4. Text and padding stand for themselves, and so does every kept token at R = 0.
import type { DataType, Emitter } from '../onnx/index.js';
import { unitRows } from '../strategies/unlisted.js';

/** The clusters that kept tokens stand for. */
export interface Clusters {
  /** How many tokens of the call each kept token stands for: float32 [batch, kept]. */
  readonly sizes: string;
  /** The share of each token before the cut in each kept one's mean: float32 [batch, kept, sequence]. */
  readonly shares: string;
  /** Which tokens before the cut are image tokens: bool [batch, sequence]. */
  readonly images: string;
}

export interface ClusterInputs {
  /** The residual stream of the tokens before the cut: [batch, sequence, hidden]. */
  readonly residual: string;
  /** Which of them are image tokens: bool [batch, sequence]. */
  readonly images: string;
  /** Which image each belongs to: int64 [batch, sequence]. */
  readonly segments: string;
  /** How many tokens each stands for already: float32 [batch, sequence]. */
  readonly sizes: string;
  /** Places of those that are kept, ascending: int64 [batch, kept]. */
  readonly kept: string;
}

/** Emits the clusters around the kept tokens. */
export function clustersOf(
  emit: Emitter,
  { residual, images, segments, sizes, kept }: ClusterInputs,
): Clusters {
  const float = emit.castToFloat(residual);
  // What is no number is like nothing; a product with it would make every cosine NaN.
  const known = emit.op('Where', [emit.op('Equal', [float, float]), float, emit.float(0)]);
  const features = unitRows(emit, known);
  const width = emit.slice(emit.op('Shape', [features]), emit.ints(2), emit.ints(3), 0);
  const places = emit.unsqueeze(kept, 2);
  const rows = emit.op('Expand', [places, emit.concat([emit.op('Shape', [kept]), width], 0)]);
  const keptFeatures = emit.op('GatherElements', [features, rows], { attributes: { axis: 1n } });
  const cosines = emit.op('MatMul', [features, emit.transpose(keptFeatures, 0, 2, 1)]); // [batch, sequence, kept]

  const at = (x: string): string => emit.op('GatherElements', [x, kept], { attributes: { axis: 1n } });
  const keptImages = emit.castToBool(at(emit.ones(images)));
  const ownImage = emit.op('And', [
    emit.op('And', [emit.unsqueeze(images, 2), emit.unsqueeze(keptImages, 1)]),
    emit.op('Equal', [emit.unsqueeze(segments, 2), emit.unsqueeze(at(segments), 1)]),
  ]);
  const nearest = emit.op('ArgMax', [emit.op('Where', [ownImage, cosines, emit.float(-2)])], {
    attributes: { axis: 2n, keepdims: 1n },
  });
  // in float32, so that a GPU need not hand over what it has found
  const numbers = emit.castToFloat(emit.range(emit.dim(kept, 1)));
  const joins = emit.op('And', [ownImage, emit.op('Equal', [emit.castToFloat(nearest), numbers])]);
  const itself = emit.op('Equal', [
    emit.unsqueeze(emit.range(emit.dim(images, 1)), 0, 2),
    emit.unsqueeze(kept, 1),
  ]);
  const isKept = emit.castToBool(emit.reduce('ReduceMax', emit.ones(itself), [2], true));
  const member = emit.op('Or', [itself, emit.op('And', [joins, emit.op('Not', [isKept])])]);
  const weights = emit.op('Mul', [emit.castToFloat(member), emit.unsqueeze(sizes, 2)]);
  const sums = emit.reduce('ReduceSum', weights, [1], true); // [batch, 1, kept]
  return {
    sizes: emit.reduce('ReduceSum', weights, [1], false),
    shares: emit.transpose(emit.op('Div', [weights, sums]), 0, 2, 1),
    images,
  };
}

/** Which run of image tokens each token belongs to, counted from 1 (text: that of the last one): int64 [batch, sequence]. */
export function runsOfImages(emit: Emitter, images: string): string {
  const ones = emit.ones(images);
  const before = emit.slice(ones, emit.ints(0), emit.ints(-1), 1);
  const first = emit.op('Mul', [emit.slice(ones, emit.ints(0), emit.ints(1), 1), emit.int(0)]);
  const starts = emit.op('And', [images, emit.op('Not', [emit.castToBool(emit.concat([first, before], 1))])]);
  return emit.op('CumSum', [emit.ones(starts), emit.int(1)]);
}

/**
 * An activation after the cut: the mean of each image token's cluster, every other token as it is.
 * @param before of all tokens: [batch, sequence, …]
 * @param kept of the kept ones as they are: [batch, kept, …]
 * @param type of both
 */
export function meansOf(
  emit: Emitter,
  { shares, images }: Clusters,
  before: string,
  kept: string,
  type: DataType,
): string {
  const flat = (x: string): string => emit.reshape(emit.castToFloat(x), emit.ints(0, 0, -1));
  // Nothing of text and padding gets in, whatever it is.
  const own = emit.op('Where', [emit.unsqueeze(images, 2), flat(before), emit.float(0)]);
  const means = emit.op('MatMul', [shares, own]);
  const fromImages = emit.op('MatMul', [shares, emit.unsqueeze(emit.castToFloat(images), 2)]); // [batch, kept, 1]
  const isImage = emit.op('Greater', [fromImages, emit.float(0)]);
  const all = emit.op('Where', [isImage, means, flat(kept)]);
  return emit.cast(emit.reshape(all, emit.op('Shape', [kept])), type);
}
