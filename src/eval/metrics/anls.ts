/**
 * ANLS, average normalised Levenshtein similarity: 1 − distance / longer length, 0 where that is below
 * one half, the best over the answers.
 *
 * Source: Biten et al., "Scene text visual question answering" (2019), equation 1, τ = 0.5. By the equation a similarity
 * of exactly one half is 0; by the code that published numbers come from (VLMEvalKit's and lmms-eval's), one half. Here
 * it is one half, so that numbers can be compared.
 */
import { sampleMetric } from './metric.js';

const THRESHOLD = 0.5;

/**
 * ANLS of one prediction, in [0, 1]; case and surrounding space do not count. (In the length they do, as in the code that
 * the benchmarks publish.)
 */
export function anls(prediction: string, answers: readonly string[]): number {
  const said = clean(prediction);
  const scores = answers.map((answer) => {
    const longer = Math.max(lengthOf(prediction), lengthOf(answer));
    if (longer === 0) return 1;
    // beyond half the length nothing counts, so that is as far as is looked
    const distance = levenshtein(said, clean(answer), Math.floor(THRESHOLD * longer)) / longer;
    return distance <= THRESHOLD ? 1 - distance : 0;
  });
  return Math.max(0, ...scores);
}

/**
 * The number of insertions, deletions and substitutions between two strings: time grows with the length times the
 * distance (Ukkonen, "Algorithms for approximate string matching", 1985).
 * @param most beyond which it does not matter: then the result is Infinity
 */
export function levenshtein(
  a: readonly string[],
  b: readonly string[],
  most: number = Math.max(a.length, b.length),
): number {
  for (let band = Math.min(most, 8); ; band = Math.min(most, 2 * band)) {
    const distance = distanceWithin(a, b, band);
    if (distance <= band) return distance;
    if (band >= most) return Infinity;
  }
}

/** The distance if it is `band` at most, else more than that: only cells that near to the diagonal are computed. */
function distanceWithin(a: readonly string[], b: readonly string[], band: number): number {
  if (Math.abs(a.length - b.length) > band) return Infinity;
  const outside = a.length + b.length + 1;
  let above = Uint32Array.from({ length: b.length + 1 }, (_, j) => (j <= band ? j : outside));
  let row = new Uint32Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    const [from, to] = [Math.max(1, i - band), Math.min(b.length, i + band)];
    row[from - 1] = from === 1 && i <= band ? i : outside;
    let least = outside;
    for (let j = from; j <= to; j++) {
      const substitute = (above[j - 1] ?? outside) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const cell = Math.min(substitute, (above[j] ?? outside) + 1, (row[j - 1] ?? outside) + 1);
      row[j] = cell;
      least = Math.min(least, cell);
    }
    if (to < b.length) row[to + 1] = outside;
    if (least > band && from > 1) return Infinity;
    [above, row] = [row, above];
  }
  return above[b.length] ?? outside;
}

function lengthOf(text: string): number {
  return Array.from(text.toUpperCase()).length;
}

/** Code points, in lower case, with single spaces. */
function clean(text: string): string[] {
  return Array.from(text.toLowerCase().trim().split(/\s+/u).join(' '));
}

/** Reading text in images and documents. */
export const anlsMetric = sampleMetric({
  name: 'anls',
  label: 'ANLS',
  about: 'how near the reply is to one of the answers, letter by letter',
  scoreReply: ({ answers }, { text }) => ({ score: anls(text, answers), choice: null }),
});
