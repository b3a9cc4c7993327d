/**
 * Seeded draws for the bootstrap, millions a second: xoshiro128** with its state in local numbers, and binomial counts
 * by inversion from the mode outwards, which takes about as many steps as the distribution is wide.
 *
 * Sources: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021); Kachitvichyanukul and
 * Schmeiser, "Binomial random variate generation" (1988), section 2, for the inversion.
 */
import { Random } from '../../scenes/random.js';

export class Draws {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  /** log(n!) by n, as far as it has been needed. */
  #logFactorials: Float64Array = new Float64Array(1);

  constructor(...seeds: readonly number[]) {
    const random = new Random(...seeds);
    [this.#a, this.#b, this.#c, this.#d] = [random.next(), random.next(), random.next(), random.next() | 1];
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    const [a, b, c, d] = [this.#a, this.#b, this.#c, this.#d];
    const times5 = Math.imul(b, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const e = c ^ a;
    const f = d ^ b;
    this.#b = b ^ e;
    this.#a = a ^ f;
    this.#c = e ^ (b << 9);
    this.#d = (f << 11) | (f >>> 21);
    return result / 0x100000000;
  }

  /**
   * Draws from so many things as often as there are, with replacement.
   * @param drawn how often each was, overwritten
   */
  withReplacement(drawn: Uint8Array): void {
    drawn.fill(0);
    const n = drawn.length;
    let [a, b, c, d] = [this.#a, this.#b, this.#c, this.#d];
    for (let i = 0; i < n; i++) {
      // `uniform`, written out: a call and four fields are most of the time
      const times5 = Math.imul(b, 5);
      const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
      const e = c ^ a;
      const f = d ^ b;
      const shifted = b << 9;
      b ^= e;
      a ^= f;
      c = e ^ shifted;
      d = (f << 11) | (f >>> 21);
      const thing = Math.floor((result * n) / 0x100000000);
      // 256 times one of as many or more does not happen
      drawn[thing] = (drawn[thing] ?? 0) + 1;
    }
    [this.#a, this.#b, this.#c, this.#d] = [a, b, c, d];
  }

  /** Puts numbers into another order, in place; every order is as likely. */
  shuffle(values: Uint32Array): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = Math.floor(this.uniform() * (i + 1));
      const [one, other] = [values[i] ?? 0, values[j] ?? 0];
      values[i] = other;
      values[j] = one;
    }
  }

  /**
   * How many of `n` draws fall on each kind.
   * @param shares of the kinds, in any unit
   * @param counts overwritten
   */
  multinomial(n: number, shares: readonly number[], counts: Uint32Array): void {
    let left = n;
    let rest = shares.reduce((sum, share) => sum + share, 0);
    shares.forEach((share, kind) => {
      const count = share >= rest ? left : this.binomial(left, share / rest);
      counts[kind] = count;
      left -= count;
      rest -= share;
    });
  }

  /** How often something of probability `p` happens in `n` trials. */
  binomial(n: number, p: number): number {
    if (n === 0 || p <= 0) return 0;
    if (p >= 1) return n;
    const mode = Math.min(n, Math.floor((n + 1) * p));
    const odds = p / (1 - p);
    const logF = this.#logFactorial(n);
    const atMode = Math.exp(
      (logF[n] ?? 0) -
        (logF[mode] ?? 0) -
        (logF[n - mode] ?? 0) +
        mode * Math.log(p) +
        (n - mode) * Math.log1p(-p),
    );
    let left = this.uniform() - atMode;
    let [low, high, below, above] = [mode, mode, atMode, atMode];
    while (left >= 0) {
      const before = left;
      if (high < n) {
        above *= ((n - high) / (high + 1)) * odds;
        high++;
        left -= above;
        if (left < 0) return high;
      }
      if (low > 0) {
        below *= low / ((n - low + 1) * odds);
        low--;
        left -= below;
        if (left < 0) return low;
      }
      // rounding has left a crumb beyond both ends
      if (left === before) return mode;
    }
    return mode;
  }

  #logFactorial(n: number): Float64Array {
    const known = this.#logFactorials;
    if (known.length > n) return known;
    const longer = new Float64Array(Math.max(n + 1, 2 * known.length));
    longer.set(known);
    for (let i = known.length; i < longer.length; i++) longer[i] = (longer[i - 1] ?? 0) + Math.log(i);
    this.#logFactorials = longer;
    return longer;
  }
}
