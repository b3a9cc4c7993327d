// Whether rows of different lengths may be decoded in one call, and on which side their padding then lies: found out by
// doing it. Operators differ: GroupQueryAttention counts a row's tokens from the left, whatever the mask's zeros; others go
// by the mask. A decoder whose weights are multiplied in 8 bits may mix rows up, because their numbers share one scale.
import { Tensor } from '@huggingface/transformers';
import type { ModelInputs } from '../../runtime/conversation.js';
import { isPlainCache, type CacheRow, type PaddingSide } from './cache-rows.js';
import type { DecoderPasses } from './passes.js';

/** How rows go together: padded on a side, only where they have one length, or never. */
export type Batching = PaddingSide | 'equal' | 'never';

/** Of the largest logit; batched products add up in another order. */
const TOLERANCE = 1e-4;

/** Lengths of two prompts that differ, and of two that do not. */
const PROMPTS: readonly (readonly [number, number])[] = [
  [5, 9],
  [7, 7],
];

/** Tries it on prompts of a few tokens. */
export async function batchingOf(passes: DecoderPasses): Promise<Batching> {
  if (!passes.plain) return 'never';
  const [ragged, equal] = PROMPTS;
  for (const side of ['right', 'left'] as const) {
    if (ragged !== undefined && (await agrees(passes, ragged, side))) return side;
  }
  return equal !== undefined && (await agrees(passes, equal, 'right')) ? 'equal' : 'never';
}

async function agrees(
  passes: DecoderPasses,
  lengths: readonly number[],
  side: PaddingSide,
): Promise<boolean> {
  const rows: CacheRow[] = [];
  const alone: Float32Array[] = [];
  for (const length of lengths) {
    const { cache } = await passes.prefill(promptOfLength(length, passes.vocabulary), undefined, {});
    if (!isPlainCache(cache)) return false;
    const row = { tensors: cache, row: 0, length, width: length };
    rows.push(row);
    const { logits } = await passes.decode([token(length, passes.vocabulary)], [row], 'right');
    alone.push(...logits);
  }
  const next = lengths.map((length) => token(length, passes.vocabulary));
  const { logits } = await passes.decode(next, rows, side);
  return alone.every((one, row) => {
    const most = one.reduce((largest, logit) => Math.max(largest, Math.abs(logit)), 1);
    const other = logits[row];
    return (
      other !== undefined && one.every((logit, i) => Math.abs(logit - (other[i] ?? NaN)) <= TOLERANCE * most)
    );
  });
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
