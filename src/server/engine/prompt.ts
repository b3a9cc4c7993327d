// A conversation as the decoder is to read it: in segments, each of which ends with a turn that brings images. A later
// turn is computed on the cache of the earlier ones, as `Chat` does, so that an answer does not depend on whether that
// cache is still there: image tokens are ranked once, by the turn that brought them.
import type { Tensor } from '@huggingface/transformers';
import type { Conversation, Message, ModelInputs } from '../../runtime/conversation.js';
import { isHfTensor } from '../../runtime/transformers.js';
import type { CallOptions } from '../../runtime/options.js';

/** How image tokens of a turn are pruned. */
export type Pruning = Pick<CallOptions, 'ratio' | 'budget' | 'seed'>;

/** A message, and what is known of its pictures. */
export interface Turn {
  readonly message: Message;
  /** Hashes of its pictures' pixels. */
  readonly images: readonly string[];
  readonly pruning: Pruning;
}

/** A part of a prompt that is computed in one pass. */
export interface Segment {
  /** Inputs of everything up to its end; the pictures are those of this segment. */
  readonly inputs: ModelInputs;
  /** Tokens up to its end. */
  readonly end: number;
  readonly pruning: Pruning;
  /** What its pictures are and how they are pruned; undefined without any. */
  readonly images: SegmentImages | undefined;
}

/** The pictures of a segment. */
export interface SegmentImages {
  /** Equal for the same pictures, pruned in the same way by the same question. */
  readonly key: string;
  /** Position of the first image token. */
  readonly start: number;
  /** Tokens up to which two prompts must agree to have the same cache: the question's end, the pictures' unpruned. */
  readonly reach: number;
}

/** A prompt. */
export interface Prompt {
  readonly ids: readonly bigint[];
  readonly segments: readonly Segment[];
}

/**
 * Makes the prompt of a conversation.
 * @param imageIds tokens that stand for images
 * @param split whether the model can be given a prompt in parts
 * @throws {FastvError} `invalid-input` as {@link Conversation.inputs}
 */
export async function promptOf(
  conversation: Conversation,
  turns: readonly Turn[],
  imageIds: ReadonlySet<bigint>,
  split: boolean,
): Promise<Prompt> {
  const all = await conversation.inputs(turns.map(({ message }) => message));
  const ids = idsOf(all);
  const bringing = turns.flatMap(({ images }, index) => (images.length > 0 ? [index] : []));
  const last = bringing.at(-1);
  if (last === undefined) return { ids, segments: [segment(all, [], imageIds)] };
  const whole: Prompt = { ids, segments: [segment(all, turns, imageIds)] };
  if (!split) return whole;
  // the turns up to the last picture; what follows them is text
  const upTo = async (index: number): Promise<ModelInputs | undefined> => {
    if (index === turns.length - 1) return all;
    const inputs = await conversation.inputs(turns.slice(0, index + 1).map(({ message }) => message));
    return isPrefix(idsOf(inputs), ids) ? inputs : undefined;
  };
  const head = await upTo(last);
  if (head === undefined) return whole;
  const segments: Segment[] = [];
  const pixels = head['pixel_values'];
  const count = turns.reduce((n, { images }) => n + images.length, 0);
  const apart = isHfTensor(pixels) && pixels.dims[0] === count && pixels.dims.length === 4;
  let taken = 0;
  let from = 0;
  for (const index of bringing.slice(0, apart ? -1 : 0)) {
    const part = await upTo(index);
    if (part === undefined) continue;
    const turn = turns.slice(from, index + 1);
    const own = turn.reduce((n, { images }) => n + images.length, 0);
    segments.push(segment(slicePixels(part, head, taken, taken + own), turn, imageIds));
    taken += own;
    from = index + 1;
  }
  segments.push(
    segment(
      taken === 0 ? head : slicePixels(head, head, taken, count),
      turns.slice(from, last + 1),
      imageIds,
      segments.at(-1)?.end,
    ),
  );
  if (head !== all) segments.push(segment(textOnly(all), [], imageIds));
  return { ids, segments };
}

/** Inputs without pictures. */
export function textOnly({ input_ids, attention_mask }: ModelInputs): ModelInputs {
  return { input_ids, attention_mask };
}

/** Token ids of inputs of one row. */
export function idsOf({ input_ids: ids }: ModelInputs): bigint[] {
  return Array.from(ids.data as BigInt64Array);
}

function segment(
  inputs: ModelInputs,
  turns: readonly Turn[],
  imageIds: ReadonlySet<bigint>,
  begin = 0,
): Segment {
  const ids = idsOf(inputs);
  const pruning = pruningOf(turns);
  const hashes = turns.flatMap(({ images }) => images);
  const start = ids.findIndex((id, position) => position >= begin && imageIds.has(id));
  if (hashes.length === 0 || start < 0) return { inputs, end: ids.length, pruning, images: undefined };
  const unpruned = pruning.budget === undefined && [pruning.ratio].flat().every((ratio) => ratio === 0);
  const reach = unpruned ? ids.findLastIndex((id) => imageIds.has(id)) + 1 : ids.length;
  const key = JSON.stringify([hashes, unpruned ? 0 : pruning, start, reach]);
  return { inputs, end: ids.length, pruning, images: { key, start, reach } };
}

/** How several turns are pruned in one pass: a share that is the mean of theirs, each counting as many as it has images. */
function pruningOf(turns: readonly Turn[]): Pruning {
  const bringing = turns.filter(({ images }) => images.length > 0);
  const [first] = bringing;
  if (first === undefined) return { ratio: 0 };
  if (first.pruning.budget !== undefined || Array.isArray(first.pruning.ratio)) return first.pruning;
  const images = bringing.reduce((n, turn) => n + turn.images.length, 0);
  const dropped = bringing.reduce(
    (sum, turn) =>
      sum + (typeof turn.pruning.ratio === 'number' ? turn.pruning.ratio : 0) * turn.images.length,
    0,
  );
  return { ...first.pruning, ratio: dropped / images };
}

function slicePixels(inputs: ModelInputs, from: ModelInputs, start: number, end: number): ModelInputs {
  const pixels = from['pixel_values'] as Tensor;
  return { ...textOnly(inputs), pixel_values: pixels.slice([start, end]) };
}

function isPrefix(start: readonly bigint[], whole: readonly bigint[]): boolean {
  return start.length < whole.length && start.every((id, position) => whole[position] === id);
}
