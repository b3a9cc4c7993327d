/**
 * ROUGE-L, as the COCO caption code computes it: the F-measure (β = 1.2) of the longest common
 * subsequence, taking the best precision and the best recall over the references separately.
 *
 * Source: Lin, "ROUGE: a package for automatic evaluation of summaries" (2004).
 */
import { mean } from '../../statistics.js';
import { checkCaptions, type CaptionSample, type CorpusScore } from './caption.js';

const BETA = 1.2;

/**
 * The mean ROUGE-L of a corpus, in [0, 1].
 * @throws FastvError `invalid-input` if there is no sample, or one without references
 */
export function rougeL(samples: readonly CaptionSample[]): CorpusScore {
  checkCaptions('ROUGE-L', samples);
  const each = samples.map(({ candidate, references }) => {
    const common = references.map((r) => commonSubsequence(candidate, r));
    // the reference code splits the empty string into one empty token
    const precision = Math.max(...common) / Math.max(1, candidate.length);
    const recall = Math.max(...common.map((c, i) => c / Math.max(1, references[i]?.length ?? 0)));
    if (precision === 0 || recall === 0) return 0;
    return ((1 + BETA ** 2) * precision * recall) / (recall + BETA ** 2 * precision);
  });
  return { score: mean(each), each };
}

/** The length of the longest common subsequence. */
export function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let above = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const row = [0];
    b.forEach((y, j) => {
      row.push(x === y ? (above[j] ?? 0) + 1 : Math.max(above[j + 1] ?? 0, row[j] ?? 0));
    });
    above = row;
  }
  return above[b.length] ?? 0;
}
