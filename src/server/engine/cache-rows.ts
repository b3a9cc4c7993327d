// KV caches of several sequences as one: rows of different lengths are padded to one, and taken out again.
//
// A pruned layer's cache is shorter than the sequence by the tokens that were dropped. The decoder counts padding once
// for all layers (docs/graph-contract.md), so rows go together only if each layer dropped as many tokens in all of them.
import { Tensor } from '@huggingface/transformers';
import type { CacheTensors } from './hf-model.js';

/** On which side of a row its padding lies. */
export type PaddingSide = 'left' | 'right';

type Numbers = Float32Array | Uint16Array | Float64Array;

/** One row of a cache. */
export interface CacheRow {
  readonly tensors: CacheTensors;
  readonly row: number;
  /** Unpruned length of what the row holds, padding not counted. */
  readonly length: number;
  /** Unpruned length of the cache, padding counted. */
  readonly width: number;
}

const KEY_OR_VALUE = /^past_key_values\.\d+\.(?:key|value)$/u;

/** Whether a cache is keys and values in this process's memory only, `[batch, heads, length, size]`. */
export function isPlainCache(tensors: CacheTensors): boolean {
  return Object.entries(tensors).every(
    ([name, { dims, location }]) => KEY_OR_VALUE.test(name) && dims.length === 4 && location === 'cpu',
  );
}

/** How many tokens each tensor lacks of `width`: equal in rows that go together. */
export function droppedOf(tensors: CacheTensors, width: number): string {
  return Object.values(tensors)
    .map(({ dims }) => width - (dims[2] ?? 0))
    .join();
}

/**
 * The rows as one cache, each padded to the longest.
 * @returns tensors `[rows, heads, width − dropped, size]`, and the width
 */
export function joinRows(
  rows: readonly CacheRow[],
  side: PaddingSide,
): { readonly tensors: CacheTensors; readonly width: number } {
  const width = Math.max(...rows.map(({ length }) => length));
  const [first] = rows;
  if (first === undefined) return { tensors: {}, width };
  if (
    rows.length === 1 &&
    first.width === width &&
    first.tensors[Object.keys(first.tensors)[0] ?? '']?.dims[0] === 1
  )
    return { tensors: first.tensors, width };
  const tensors = Object.fromEntries(
    Object.entries(first.tensors).map(([name, tensor]) => {
      const [, heads = 0, held = 0, size = 0] = tensor.dims;
      const length = held - first.width + width;
      const data = newNumbers(tensor, rows.length * heads * length * size);
      rows.forEach(({ tensors: from, row, length: own, width: wide }, index) => {
        const source = from[name];
        if (source === undefined) return;
        const stored = source.dims[2] ?? 0;
        const valid = own - wide + stored;
        const skipped = side === 'left' ? stored - valid : 0;
        const shift = side === 'left' ? length - valid : 0;
        for (let head = 0; head < heads; head++) {
          const start = ((row * heads + head) * stored + skipped) * size;
          data.set(
            (source.data as Numbers).subarray(start, start + valid * size),
            ((index * heads + head) * length + shift) * size,
          );
        }
      });
      return [name, new Tensor(tensor.type, data, [rows.length, heads, length, size])];
    }),
  );
  return { tensors, width };
}

/** The first tokens of a cache of one row: of each tensor, as many as `counts` says. */
export function cutRow(tensors: CacheTensors, counts: (name: string, held: number) => number): CacheTensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const [, heads = 0, held = 0, size = 0] = tensor.dims;
      const count = counts(name, held);
      if (count === held) return [name, tensor];
      const data = newNumbers(tensor, heads * count * size);
      for (let head = 0; head < heads; head++) {
        const start = head * held * size;
        data.set((tensor.data as Numbers).subarray(start, start + count * size), head * count * size);
      }
      return [name, new Tensor(tensor.type, data, [1, heads, count, size])];
    }),
  );
}

/** Bytes of a cache. */
export function cacheBytes(tensors: CacheTensors): number {
  return Object.values(tensors).reduce((sum, { data }) => sum + (data as Numbers).byteLength, 0);
}

function newNumbers(tensor: Tensor, length: number): Numbers {
  const like = tensor.data as Numbers;
  return new (like.constructor as new (length: number) => Numbers)(length);
}
