import { Tensor } from '@huggingface/transformers';
import { Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { BatchCache } from './batch-cache.js';
import { joinRows, rowOf, type CacheRow, type PaddingSide } from './cache-rows.js';

const KEY = 'past_key_values.0.key';
const STAGE = 'past_key_values.1.key';
const HEADS = 2;

/** A row of so many tokens, each of them one number; the second tensor lacks the first two. */
function prefilled(length: number, number: number): CacheRow {
  const of = (tokens: number): Tensor => {
    const data = Float32Array.from({ length: HEADS * tokens }, (_, i) => number + (i % tokens));
    // as sessions give them
    return new Tensor(new OrtTensor('float32', data, [1, HEADS, tokens, 1]));
  };
  return rowOf({ [KEY]: of(length), [STAGE]: of(length - 2) }, length);
}

/** What a row holds, tensor by tensor. */
function held(row: CacheRow, side: PaddingSide): number[][] {
  const { tensors } = joinRows([row], side);
  return [KEY, STAGE].map((name) => Array.from((tensors[name]?.data ?? []) as Float32Array));
}

describe.each(['left', 'right'] as const)('a batch that is padded on the %s', (side) => {
  it('keeps what each row holds while others come, grow and go', () => {
    const batch = new BatchCache(side);
    const step = (rows: readonly CacheRow[]): CacheRow[] => {
      const before = rows.map((row) => held(row, side));
      const { places } = batch.take(rows);
      // what a decoder gives: of each place and head one number
      const newOf = (): Float32Array =>
        Float32Array.from({ length: rows.length * HEADS }, (_, i) => 1000 + Math.floor(i / HEADS));
      const after = batch.stepped(newOf, rows, places);
      expect(after.map((row) => held(row, side).map((numbers) => numbers.at(-1)))).toEqual(
        places.map((place) => [1000 + place, 1000 + place]),
      );
      for (const [index, row] of after.entries()) {
        const grown = held(row, side).map((numbers) => [
          numbers.slice(0, numbers.length / HEADS - 1),
          numbers.slice(numbers.length / HEADS, -1),
        ]);
        expect(grown.flat(2)).toEqual(before[index]?.flat());
      }
      return after;
    };
    let rows = step([prefilled(5, 10), prefilled(9, 50)]);
    rows = step([...rows, prefilled(4, 100)]);
    rows = step(rows);
    // the first and longest go
    rows = step(rows.slice(1));
    rows = step(rows.slice(1));
    expect(rows[0]?.row).toBe(0);
    // a longer one comes, many come, and all outgrow their room
    rows = step([...rows, prefilled(30, 200)]);
    rows = step([...rows, ...[3, 8, 12].map((length) => prefilled(length, 300 + length))]);
    const own = rows[0]?.tensors[KEY];
    rows = step(rows);
    expect(rows[0]?.tensors[KEY]).toBe(own);
    for (let i = 0; i < 70; i++) rows = step(rows);
    expect(rows.map(({ length }) => length)).toEqual([81, 103, 75, 80, 84]);
  });
});
