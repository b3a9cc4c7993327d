// The KV cache of sequences that are decoded together, in buffers that stay where they are: a row that comes is copied in, one
// that goes leaves its place to the last one, and of a step of decoding the new token alone is copied.
//
// All rows grow by a token a step, so that the padding of one stays what it is, on either side. Padded on the left they
// move together when a longer one comes, or when they are much shorter than one that went.
import {
  copyRow,
  newNumbers,
  likeOutput,
  type CacheRow,
  type Numbers,
  type PaddingSide,
} from './cache-rows.js';
import type { CacheTensors } from './hf-model.js';

/** Rows that are ready for a step. */
export interface Batched {
  /** Of the rows in the order of their places, with room for more tokens behind those that they hold. */
  readonly tensors: CacheTensors;
  /** Unpruned length of what the tensors hold, padding counted. */
  readonly width: number;
  /** The place of each row that was given. */
  readonly places: readonly number[];
}

/** A row that may lie in a batch's buffers, and stays there. */
export interface HeldRow extends CacheRow {
  readonly batch?: BatchCache;
}

/** Tokens for which a buffer has room when it is made, and padding that all rows may have. */
const ROOM = 64;

/** The buffers of one batch. */
export class BatchCache {
  readonly #side: PaddingSide;
  #tensors: CacheTensors = {};
  #count = 0;
  #width = 0;
  /** Rows, and unpruned tokens of each, that the buffers have room for. */
  #rows = 0;
  #tokens = 0;
  #buffers = new Map<string, Numbers>();

  constructor(side: PaddingSide) {
    this.#side = side;
  }

  /** Takes rows in: those that it holds stay, others are copied, and what else it held is gone. */
  take(rows: readonly CacheRow[]): Batched {
    const longest = Math.max(...rows.map(({ length }) => length));
    const near = longest <= this.#width && this.#width <= longest + ROOM;
    const width = near ? this.#width : longest;
    const held = rows.map((row) => row.tensors === this.#tensors);
    const count = rows.length;
    const moved = this.#side === 'left' && !near;
    const fits = !moved && count <= this.#rows && width < this.#tokens;
    const stays = (row: CacheRow, index: number): boolean => fits && held[index] === true && row.row < count;
    const kept = new Set(rows.filter(stays).map(({ row }) => row));
    const free = Array.from({ length: count }, (_, place) => place).filter((place) => !kept.has(place));
    const places = rows.map((row, index) => (stays(row, index) ? row.row : (free.shift() ?? 0)));
    const same = kept.size === count && count === this.#count && width === this.#width;
    if (!same) this.#arrange(rows, places, { width, fits, kept });
    return { tensors: this.#tensors, width, places };
  }

  /**
   * A step gave each row's new token, which is put behind what the row holds.
   * @param newOf gives what a tensor gets: `[rows, heads, 1, size]`, by place
   * @returns the rows after it
   */
  stepped(
    newOf: (name: string) => Numbers | undefined,
    rows: readonly CacheRow[],
    places: readonly number[],
  ): HeldRow[] {
    for (const [name, { data, dims }] of Object.entries(this.#tensors)) {
      const [, heads = 0, space = 0, size = 0] = dims;
      const given = newOf(name);
      if (given === undefined) continue;
      const numbers = data as Numbers;
      rows.forEach(({ length, dropped }, index) => {
        const place = places[index] ?? 0;
        const end = (this.#side === 'left' ? this.#width : length) - (dropped[name] ?? 0);
        for (let head = place * heads; head < (place + 1) * heads; head++) {
          const at = (head * space + end) * size;
          for (let i = 0; i < size; i++) numbers[at + i] = given[head * size + i] ?? 0;
        }
      });
    }
    this.#width++;
    return rows.map(({ dropped, length }, index) => ({
      tensors: this.#tensors,
      dropped,
      row: places[index] ?? 0,
      length: length + 1,
      width: this.#width,
      batch: this,
    }));
  }

  #arrange(
    rows: readonly CacheRow[],
    places: readonly number[],
    { width, fits, kept }: { width: number; fits: boolean; kept: ReadonlySet<number> },
  ): void {
    const [first] = rows;
    if (first === undefined) return;
    const count = rows.length;
    if (!fits) {
      this.#rows = Math.max(count, count > this.#rows ? Math.min(2 * this.#rows, count + 4) : this.#rows);
      this.#tokens = Math.max(width + ROOM, this.#tokens);
    }
    const tensors = Object.entries(first.tensors).map(([name, tensor]) => {
      const [, heads = 0, , size = 0] = tensor.dims;
      const space = this.#tokens - (first.dropped[name] ?? 0);
      if (!fits) this.#buffers.set(name, newNumbers(tensor, this.#rows * heads * space * size));
      const dims = [count, heads, space, size];
      const data = (this.#buffers.get(name) ?? new Float32Array()).subarray(0, count * heads * space * size);
      rows.forEach((row, index) => {
        const place = places[index] ?? 0;
        if (!kept.has(place)) copyRow(row, name, this.#side, { data, dims, row: place, width });
      });
      return [name, likeOutput(tensor, data, dims)];
    });
    this.#tensors = Object.fromEntries(tensors) as CacheTensors;
    this.#count = count;
    this.#width = width;
  }
}
