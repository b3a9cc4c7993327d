/**
 * Columns for millions of results: numbers in chunks of typed arrays, and what many rows share (texts, tuples of numbers) held
 * once and known by a number. A chunk is never copied, so a column takes what it holds, and memory grows evenly.
 */
import { randomBytes } from 'node:crypto';

type NumberArray = Float64Array | Float32Array | Uint32Array | Int32Array | Uint16Array;

const CHUNK_BITS = 16;
const CHUNK = 1 << CHUNK_BITS;

/** Numbers in the order in which they came. While all are the same, as what a task has not is, none is held. */
export class Column {
  readonly #make: new (length: number) => NumberArray;
  readonly #chunks: NumberArray[] = [];
  #length = 0;
  /** The one number so far; undefined when there are several. */
  #same: number | undefined;
  readonly #one: NumberArray;

  constructor(make: new (length: number) => NumberArray) {
    this.#make = make;
    this.#one = new make(1);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === 0) this.#same = this.#held(value);
    else if (this.#same !== undefined && !Object.is(this.#same, this.#held(value))) {
      const same = this.#same;
      this.#same = undefined;
      while (CHUNK * this.#chunks.length < this.#length) this.#chunks.push(new this.#make(CHUNK).fill(same));
    }
    if (this.#same === undefined) {
      if (this.#length % CHUNK === 0) this.#chunks.push(new this.#make(CHUNK));
      const chunk = this.#chunks[this.#length >>> CHUNK_BITS];
      if (chunk !== undefined) chunk[this.#length % CHUNK] = value;
    }
    this.#length++;
  }

  /** A number as it is held: whole, or with fewer digits. */
  #held(value: number): number {
    this.#one[0] = value;
    return this.#one[0];
  }

  /** NaN where there is none. */
  at(place: number): number {
    if (place >= this.#length) return NaN;
    return this.#same ?? this.#chunks[place >>> CHUNK_BITS]?.[place % CHUNK] ?? NaN;
  }
}

/** So that nobody can write a file whose texts all fall on one slot. */
const SEED = randomBytes(4).readUInt32LE();

/** Places by their hashes: open addressing, at most half full. */
export class Slots {
  #slots = new Uint32Array(1024);
  readonly #hashes = new Column(Uint32Array);

  /** The place of what has this hash and is the same; -1 where there is none. */
  find(hash: number, isSame: (place: number) => boolean): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = (this.#slots[slot] ?? 0) - 1;
      if (place === -1) return -1;
      if (this.#hashes.at(place) === hash >>> 0 && isSame(place)) return place;
    }
  }

  /** Takes in the next place. */
  add(hash: number): number {
    const place = this.#hashes.length;
    this.#hashes.push(hash >>> 0);
    if (2 * (place + 1) > this.#slots.length) {
      this.#slots = new Uint32Array(2 * this.#slots.length);
      for (let old = 0; old < place; old++) this.#put(this.#hashes.at(old), old);
    }
    this.#put(hash, place);
    return place;
  }

  #put(hash: number, place: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = place + 1;
  }
}

/** One step of a hash (FNV-1a with the bits stirred). */
function stir(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x01000193);
  return mixed ^ (mixed >>> 15);
}

/** Bytes of a block of texts. */
const BLOCK = 2 ** 20;

/** Texts, each held once: a byte a letter where Latin-1 will do, two where it will not. */
export class TextTable {
  readonly #slots = new Slots();
  readonly #blocks: Buffer[] = [];
  #used = Infinity;
  /** Block and place of each text, its length, and whether it takes two bytes a letter. */
  readonly #block = new Column(Uint32Array);
  readonly #from = new Column(Uint32Array);
  readonly #length = new Column(Int32Array);

  get size(): number {
    return this.#from.length;
  }

  /** The number of a text, from 0; a new one for a text that was not there. */
  id(text: string): number {
    let hash = SEED;
    let wide = false;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      wide ||= code > 0xff;
      hash = stir(hash, code);
    }
    const known = this.#slots.find(hash, (id) => this.#is(id, text, wide));
    if (known !== -1) return known;
    const bytes = wide ? 2 * text.length : text.length;
    if (this.#used + bytes > BLOCK) {
      this.#blocks.push(Buffer.allocUnsafeSlow(Math.max(BLOCK, bytes)));
      this.#used = 0;
    }
    this.#blocks.at(-1)?.write(text, this.#used, wide ? 'utf16le' : 'latin1');
    this.#block.push(this.#blocks.length - 1);
    this.#from.push(this.#used);
    // a length below nothing: two bytes a letter
    this.#length.push(wide ? -text.length : text.length);
    this.#used += bytes;
    return this.#slots.add(hash);
  }

  text(id: number): string {
    const from = this.#from.at(id);
    const length = this.#length.at(id);
    const block = this.#blocks[this.#block.at(id)];
    return length < 0
      ? (block?.toString('utf16le', from, from - 2 * length) ?? '')
      : (block?.toString('latin1', from, from + length) ?? '');
  }

  #is(id: number, text: string, wide: boolean): boolean {
    if (this.#length.at(id) !== (wide ? -text.length : text.length)) return false;
    const from = this.#from.at(id);
    const block = this.#blocks[this.#block.at(id)];
    if (block === undefined) return false;
    if (wide) return block.toString('utf16le', from, from + 2 * text.length) === text;
    for (let i = 0; i < text.length; i++) if (block[from + i] !== text.charCodeAt(i)) return false;
    return true;
  }
}

/** Tuples of numbers, each held once; NaN equals itself. */
export class TupleTable {
  readonly #slots = new Slots();
  readonly #columns: readonly Column[];
  readonly #tuple: Float64Array;
  readonly #bits: Uint32Array;

  /** @param width numbers a tuple */
  constructor(width: number) {
    this.#columns = Array.from({ length: width }, () => new Column(Float64Array));
    this.#tuple = new Float64Array(width);
    this.#bits = new Uint32Array(this.#tuple.buffer);
  }

  get size(): number {
    return this.#columns[0]?.length ?? 0;
  }

  /**
   * The number of a tuple, from 0.
   * @param from where in `numbers` it begins
   */
  id(numbers: ArrayLike<number>, from = 0): number {
    const tuple = this.#tuple;
    for (let i = 0; i < tuple.length; i++) tuple[i] = numbers[from + i] ?? NaN;
    let hash = SEED;
    for (const bits of this.#bits) hash = stir(hash, bits);
    const known = this.#slots.find(hash, (id) =>
      this.#columns.every((column, i) => Object.is(column.at(id), tuple[i])),
    );
    if (known !== -1) return known;
    this.#columns.forEach((column, i) => {
      column.push(tuple[i] ?? NaN);
    });
    return this.#slots.add(hash);
  }

  at(id: number, place: number): number {
    return this.#columns[place]?.at(id) ?? NaN;
  }
}
