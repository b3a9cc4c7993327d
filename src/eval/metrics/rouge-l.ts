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

/**
 * The length of the longest common subsequence. Time grows with the product of the lengths, which `TEXT_LIMITS`
 * (`limits.ts`) bounds.
 */
export function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  const names = new Map<string, number>();
  const numbers = (tokens: readonly string[]): Uint32Array =>
    Uint32Array.from(tokens, (token) => {
      const number = names.get(token) ?? names.size;
      names.set(token, number);
      return number;
    });
  const [rows, columns] = [numbers(a), numbers(b)];
  const best = new Uint32Array(columns.length + 1);
  for (const x of rows) {
    let diagonal = 0;
    for (let j = 0; j < columns.length; j++) {
      const above = best[j + 1] ?? 0;
      best[j + 1] = x === columns[j] ? diagonal + 1 : Math.max(above, best[j] ?? 0);
      diagonal = above;
    }
  }
  return best[columns.length] ?? 0;
}
