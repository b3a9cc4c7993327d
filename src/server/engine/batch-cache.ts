// The KV cache of sequences that are decoded together, in buffers that stay where they are: a row that comes is copied in, one
// that goes leaves its place to the last one, and a step of decoding copies and allocates nothing but what it must.
//
// The decoder writes into what it reads, behind the tokens that are there, where its graph knows a cache's length by the mask.
// Of the few caches whose length it looks at itself there are two buffers that take turns.
//
// All rows grow by a token a step, so that the padding of one stays what it is, on either side. Padded on the left they
// move together when a longer one comes, or when they are much shorter than one that went.
import {
  copyRow,
  likeOutput,
  newNumbers,
  type CacheRow,
  type Numbers,
  type PaddingSide,
} from './cache-rows.js';
import type { CacheTensors } from './hf-model.js';

/** Rows that are ready for a step. */
export interface Batched {
  /** Of the rows in the order of their places. */
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
  readonly #grows: (name: string) => boolean;
  #tensors: CacheTensors = {};
  #count = 0;
  #width = 0;
  /** Rows, and unpruned tokens of each, that the buffers have room for. */
  #rows = 0;
  #tokens = 0;
  /** Where the tensors are; of those that do not grow in their place, also where the next ones go. */
  #buffers = new Map<string, Numbers>();
  #others = new Map<string, Numbers>();

  /** @param grows whether the decoder may write a token into the cache of this name */
  constructor(side: PaddingSide, grows: (name: string) => boolean) {
    this.#side = side;
    this.#grows = grows;
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

  /** Where a step writes: tensors by the names of those that it reads. */
  targets(): CacheTensors {
    return Object.fromEntries(
      Object.entries(this.#tensors).map(([name, tensor]) => {
        if (this.#grows(name)) return [name, tensor];
        const [, heads = 0, held = 0, size = 0] = tensor.dims;
        const dims = [this.#count, heads, held + 1, size];
        return [name, likeOutput(tensor, part(this.#others.get(name), dims), dims)];
      }),
    );
  }

  /** A step wrote into the targets. @returns the rows after it */
  stepped(targets: CacheTensors, rows: readonly CacheRow[], places: readonly number[]): HeldRow[] {
    for (const name of Object.keys(targets)) if (!this.#grows(name)) this.#turn(name);
    this.#tensors = targets;
    this.#width++;
    return rows.map(({ dropped, length }, index) => ({
      tensors: targets,
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
      const dropped = first.dropped[name] ?? 0;
      const grows = this.#grows(name);
      const space = this.#tokens - dropped;
      if (!fits) {
        const numbers = this.#rows * heads * space * size;
        this.#buffers.set(name, newNumbers(tensor, numbers));
        if (!grows) this.#others.set(name, newNumbers(tensor, numbers));
      } else if (!grows) this.#turn(name);
      const dims = [count, heads, grows ? space : width - dropped, size];
      const data = part(this.#buffers.get(name), dims);
      rows.forEach((row, index) => {
        const place = places[index] ?? 0;
        if (!grows || !kept.has(place)) copyRow(row, name, this.#side, { data, dims, row: place, width });
      });
      return [name, likeOutput(tensor, data, dims)];
    });
    this.#tensors = Object.fromEntries(tensors) as CacheTensors;
    this.#count = count;
    this.#width = width;
  }

  #turn(name: string): void {
    const [buffer, other] = [this.#buffers.get(name), this.#others.get(name)];
    if (buffer === undefined || other === undefined) return;
    this.#buffers.set(name, other);
    this.#others.set(name, buffer);
  }
}

/** The first numbers of a buffer, as many as a tensor has. */
function part(buffer: Numbers | undefined, dims: readonly number[]): Numbers {
  return (buffer ?? new Float32Array()).subarray(
    0,
    dims.reduce((product, dim) => product * dim, 1),
  );
}
