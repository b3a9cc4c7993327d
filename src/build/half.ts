// Floats of 32 bits to 16, many at a time: quantize/matrix.ts has the same for single numbers.

/**
 * The nearest float16 of each float32, ties to even, as bits.
 * @returns undefined if one is too large for a float16
 */
export function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> | undefined {
  const aligned = values.byteOffset % 4 === 0 ? values : values.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length);
  const halves = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude >= 0x477ff000) return undefined; // 65520 and more
    if (magnitude < 0x38800000) {
      // below 2^-14 there is no leading one: multiples of 2^-24, rounded by the addition
      const steps = Math.fround(Math.abs(aligned[i] ?? 0) + 0.5) - 0.5;
      halves[i] = sign | Math.round(steps * 2 ** 24);
      continue;
    }
    const odd = (magnitude >>> 13) & 1;
    halves[i] = sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
  }
  return halves;
}
