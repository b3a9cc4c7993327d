/**
 * ANLS, average normalised Levenshtein similarity: 1 − distance / longer length, 0 where that is below
 * one half, the best over the answers.
 *
 * Source: Biten et al., "Scene text visual question answering" (2019), equation 1, τ = 0.5.
 */
import { sampleMetric } from './metric.js';

const THRESHOLD = 0.5;

/** ANLS of one prediction, in [0, 1]; case and surrounding space do not count. */
export function anls(prediction: string, answers: readonly string[]): number {
  const said = clean(prediction);
  const scores = answers.map((answer) => {
    const right = clean(answer);
    const longer = Math.max(said.length, right.length);
    const distance = longer === 0 ? 0 : levenshtein(said, right) / longer;
    return distance < THRESHOLD ? 1 - distance : 0;
  });
  return Math.max(0, ...scores);
}

/** The number of insertions, deletions and substitutions between two strings. */
export function levenshtein(a: readonly string[], b: readonly string[]): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  a.forEach((x, i) => {
    const row = [i + 1];
    b.forEach((y, j) => {
      const substitute = (above[j] ?? 0) + (x === y ? 0 : 1);
      row.push(Math.min(substitute, (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    });
    above = row;
  });
  return above[b.length] ?? 0;
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
