// KV caches of several sequences as one: rows of different lengths are padded to one, and taken out again.
//
// A pruned layer's cache is shorter than the sequence by the tokens that were dropped. The decoder counts padding once
// for all layers (docs/graph-contract.md), so rows go together only if each layer dropped as many tokens in all of them.
import { Tensor } from '@huggingface/transformers';
import { ortTensorLike } from '../../runtime/transformers.js';
import type { CacheTensors } from './hf-model.js';

/** On which side of a row its padding lies. */
export type PaddingSide = 'left' | 'right';

/** What a cache consists of. */
export type Numbers = Float32Array | Uint16Array | Float64Array;

/** How many tokens each tensor of a cache lacks because they were dropped. */
export type Dropped = Readonly<Record<string, number>>;

/** One row of a cache. */
export interface CacheRow {
  /** `[batch, heads, tokens, size]`; there may be room for more tokens behind those that it holds. */
  readonly tensors: CacheTensors;
  readonly dropped: Dropped;
  readonly row: number;
  /** Unpruned length of what the row holds, padding not counted. */
  readonly length: number;
  /** Unpruned length of what the cache holds, padding counted. */
  readonly width: number;
}

/** Rows as one cache. */
export interface JoinedRows {
  readonly tensors: CacheTensors;
  readonly width: number;
}

/** A place in a tensor for a row. */
interface Target {
  readonly data: Numbers;
  readonly dims: readonly number[];
  readonly row: number;
  /** Unpruned length of what the tensor holds, padding counted. */
  readonly width: number;
}

const KEY_OR_VALUE = /^past_key_values\.\d+\.(?:key|value)$/u;

/** Whether a cache is keys and values in this process's memory only, `[batch, heads, length, size]`. */
export function isPlainCache(tensors: CacheTensors): boolean {
  return Object.entries(tensors).every(
    ([name, { dims, location }]) => KEY_OR_VALUE.test(name) && dims.length === 4 && location === 'cpu',
  );
}

/** A cache of one row, of `length` tokens unpruned, in which there is room for no more. */
export function rowOf(tensors: CacheTensors, length: number): CacheRow {
  const dropped = Object.fromEntries(
    Object.entries(tensors).map(([name, { dims }]) => [name, length - (dims[2] ?? 0)]),
  );
  return { tensors, dropped, row: 0, length, width: length };
}

/** What is equal in rows that go together. */
export function droppedKey({ dropped }: CacheRow): string {
  return Object.values(dropped).join();
}

/**
 * The rows as one cache, each padded to the longest.
 * @returns tensors `[rows, heads, width − dropped, size]`, and the width
 */
export function joinRows(rows: readonly CacheRow[], side: PaddingSide): JoinedRows {
  const width = Math.max(...rows.map(({ length }) => length));
  const [first] = rows;
  if (first === undefined) return { tensors: {}, width };
  const tensors = Object.fromEntries(
    Object.entries(first.tensors).map(([name, tensor]) => {
      const [, heads = 0, , size = 0] = tensor.dims;
      const dims = [rows.length, heads, width - (first.dropped[name] ?? 0), size];
      const data = newNumbers(
        tensor,
        dims.reduce((product, dim) => product * dim, 1),
      );
      rows.forEach((row, index) => {
        copyRow(row, name, side, { data, dims, row: index, width });
      });
      return [name, likeOutput(tensor, data, dims)];
    }),
  );
  return { tensors, width };
}

/** Copies what a row holds of one tensor. */
export function copyRow(from: CacheRow, name: string, side: PaddingSide, to: Target): void {
  const source = from.tensors[name];
  if (source === undefined) return;
  const [, heads = 0, stored = 0, size = 0] = source.dims;
  const valid = from.length - (from.dropped[name] ?? 0);
  const space = to.dims[2] ?? 0;
  const [skipped, shift] = side === 'left' ? [from.width - from.length, to.width - from.length] : [0, 0];
  for (let head = 0; head < heads; head++) {
    const start = ((from.row * heads + head) * stored + skipped) * size;
    to.data.set(
      (source.data as Numbers).subarray(start, start + valid * size),
      ((to.row * heads + head) * space + shift) * size,
    );
  }
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

/** Numbers of a tensor's kind. */
export function newNumbers(tensor: Tensor, length: number): Numbers {
  const like = tensor.data as Numbers;
  return new (like.constructor as new (length: number) => Numbers)(length);
}

/** A tensor of the class of those that sessions give: ONNX Runtime writes into no other, of which a process may hold several. */
export function likeOutput(
  { type, ort_tensor: like }: Tensor,
  data: Numbers,
  dims: readonly number[],
): Tensor {
  return new Tensor(ortTensorLike(like, type, data, dims));
}
