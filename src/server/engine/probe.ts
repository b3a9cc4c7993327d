// Whether rows of different lengths may be decoded in one call, and on which side their padding then lies: found out by
// doing it. Operators differ: GroupQueryAttention counts a row's tokens from the left, whatever the mask's zeros; others go
// by the mask. A decoder whose weights are multiplied in 8 bits may mix rows up, because their numbers share one scale.
import { Tensor } from '@huggingface/transformers';
import type { ModelInputs } from '../../runtime/conversation.js';
import { isPlainCache, rowOf, type CacheRow, type PaddingSide } from './cache-rows.js';
import type { Decoded, DecoderPasses } from './passes.js';

/** How rows go together: padded on a side, only where they have one length, or never. */
export type Together = PaddingSide | 'equal' | 'never';

/** How sequences are decoded. */
export interface Batching {
  readonly together: Together;
  /** Whether the decoder can write into the cache that it reads. */
  readonly inPlace: boolean;
}

/** Of the largest logit; batched products add up in another order. */
const TOLERANCE = 1e-4;

/** Lengths of two prompts that differ, and of two that do not. */
const PROMPTS: readonly (readonly [number, number])[] = [
  [5, 9],
  [7, 7],
];

/** Tries it on prompts of a few tokens. */
export async function batchingOf(passes: DecoderPasses): Promise<Batching> {
  if (!passes.plain) return { together: 'never', inPlace: false };
  const [ragged = [], equal = []] = PROMPTS;
  for (const together of ['right', 'left'] as const) {
    if (!(await agrees(passes, ragged, together, false))) continue;
    return { together, inPlace: await agrees(passes, ragged, together, true) };
  }
  const together = (await agrees(passes, equal, 'right', false)) ? 'equal' : 'never';
  return { together, inPlace: await agrees(passes, together === 'equal' ? equal : [7], 'right', true) };
}

/** Whether rows together, two steps on, give what each gives alone and in a cache of its own. */
async function agrees(
  passes: DecoderPasses,
  lengths: readonly number[],
  side: PaddingSide,
  inPlace: boolean,
): Promise<boolean> {
  if (inPlace && !passes.roomy) return false;
  const begun: CacheRow[] = [];
  const alone: Float32Array[] = [];
  const first = lengths.map((length) => token(length, passes.vocabulary));
  const second = lengths.map((length) => token(length + 1, passes.vocabulary));
  for (const [index, length] of lengths.entries()) {
    const { cache } = await passes.prefill(promptOfLength(length, passes.vocabulary), undefined, {});
    if (!isPlainCache(cache)) return false;
    const row = rowOf(cache, length);
    begun.push(row);
    const one = await passes.decode(first.slice(index, index + 1), [row], 'right');
    const next = await passes.decode(second.slice(index, index + 1), one.rows, 'right');
    alone.push(...one.logits, ...next.logits);
  }
  try {
    const step = (tokens: readonly bigint[], rows: readonly CacheRow[]): Promise<Decoded> =>
      inPlace ? passes.decodeInPlace(tokens, rows, side) : passes.decode(tokens, rows, side);
    const one = await step(first, begun);
    const next = await step(second, one.rows);
    return lengths.every((_, row) =>
      [one, next].every(({ logits }, at) => areClose(alone[2 * row + at], logits[row])),
    );
  } catch (error) {
    // what fails in buffers that stay is decoded in caches that are put together
    if (inPlace) return false;
    throw error;
  }
}

function areClose(one: Float32Array | undefined, other: Float32Array | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  const most = one.reduce((largest, logit) => Math.max(largest, Math.abs(logit)), 1);
  return one.every((logit, i) => Math.abs(logit - (other[i] ?? NaN)) <= TOLERANCE * most);
}

/** Any tokens of the upper half of the vocabulary: special ones lie at its beginning, or are few. */
function token(n: number, vocabulary: number): bigint {
  return BigInt(Math.floor(vocabulary / 2) + ((n * 7) % Math.max(1, Math.floor(vocabulary / 4))));
}

function promptOfLength(length: number, vocabulary: number): ModelInputs {
  const ids = BigInt64Array.from({ length }, (_, i) => token(i + length, vocabulary));
  return {
    input_ids: new Tensor('int64', ids, [1, length]),
    attention_mask: new Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]),
  };
}
