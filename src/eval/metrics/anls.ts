/**
 * ANLS, average normalised Levenshtein similarity: 1 − distance / longer length, 0 where that is below
 * one half, the best over the answers.
 *
 * Source: Biten et al., "Scene text visual question answering" (2019), equation 1, τ = 0.5. By the equation a similarity
 * of exactly one half is 0; by the code that published numbers come from (VLMEvalKit's and lmms-eval's), one half. Here
 * it is one half, so that numbers can be compared.
 */
import { distance } from 'fastest-levenshtein';
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
    const share = levenshtein(said, clean(answer), Math.floor(THRESHOLD * longer)) / longer;
    return share <= THRESHOLD ? 1 - share : 0;
  });
  return Math.max(0, ...scores);
}

/**
 * The number of insertions, deletions and substitutions between two lists of code points.
 * @param most beyond which it does not matter: then the result is Infinity
 * @throws {RangeError} for more different code points than one unit of a string tells apart
 */
export function levenshtein(a: readonly string[], b: readonly string[], most = Infinity): number {
  if (Math.abs(a.length - b.length) > most) return Infinity;
  // the library compares units of strings, of which some code points have two: each gets one of its own
  const units = new Map<string, string>();
  const inUnits = (points: readonly string[]): string =>
    points
      .map((point) => {
        const unit = units.get(point) ?? String.fromCharCode(units.size);
        units.set(point, unit);
        return unit;
      })
      .join('');
  const [left, right] = [inUnits(a), inUnits(b)];
  if (units.size > 2 ** 16) throw new RangeError('too many different letters');
  const edits = distance(left, right);
  return edits > most ? Infinity : edits;
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
