/**
 * A seeded random number generator in 32-bit integers (xoshiro128**, seeded by SplitMix32), so that
 * a seed means the same scene in every language and on every machine.
 *
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021).
 */
export class Random {
  private readonly state: [number, number, number, number];

  /** @param seeds - 32-bit integers that are mixed together: a split, an index, … */
  constructor(...seeds: readonly number[]) {
    let h = 0x9e3779b9;
    const mix = (): number => {
      h = (h + 0x9e3779b9) >>> 0;
      let z = h;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    for (const seed of seeds) {
      h = (h ^ seed) >>> 0;
      h = mix();
    }
    this.state = [mix(), mix(), mix(), mix() | 1];
  }

  /** The next integer in [0, 2³²). */
  next(): number {
    const s = this.state;
    const rotate = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;
    const result = Math.imul(rotate(Math.imul(s[1], 5) >>> 0, 7), 9) >>> 0;
    const t = (s[1] << 9) >>> 0;
    s[2] = (s[2] ^ s[0]) >>> 0;
    s[3] = (s[3] ^ s[1]) >>> 0;
    s[1] = (s[1] ^ s[2]) >>> 0;
    s[0] = (s[0] ^ s[3]) >>> 0;
    s[2] = (s[2] ^ t) >>> 0;
    s[3] = rotate(s[3], 11);
    return result;
  }

  /** A uniform integer in [0, n). Unbiased: values past the last full multiple of n are redrawn. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 0x100000000) {
      throw new RangeError(`Random.int: n must be an integer in [1, 2^32], got ${String(n)}`);
    }
    const limit = 0x100000000 - (0x100000000 % n);
    let x = this.next();
    while (x >= limit) x = this.next();
    return x % n;
  }

  /** A uniform integer in [low, high], both included. */
  between(low: number, high: number): number {
    return low + this.int(high - low + 1);
  }

  /** True `percent` times in a hundred. */
  chance(percent: number): boolean {
    return this.int(100) < percent;
  }

  /** One of the items. @throws RangeError if there is none. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.int(items.length)];
    if (item === undefined) throw new RangeError('Random.pick: picked undefined');
    return item;
  }

  /** A shuffled copy (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const pool = [...items];
    const out: T[] = [];
    while (pool.length > 0) out.push(...pool.splice(this.int(pool.length), 1));
    return out;
  }
}
