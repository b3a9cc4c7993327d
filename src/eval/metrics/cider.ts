/**
 * CIDEr, as the COCO caption code computes it: CIDEr-D (clipped counts, a Gaussian penalty on the
 * difference in length), n-grams 1…4, σ = 6, times 10; document frequencies are those of the
 * references that are scored, so the score of a sample depends on the whole corpus.
 *
 * Source: Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based image description evaluation" (2015),
 * section 4 and supplement. As there, n-grams are not stemmed here.
 */
import { mean } from '../../statistics.js';
import { bleu } from './bleu.js';
import {
  captionSample,
  checkCaptions,
  ngramCounts,
  type CaptionSample,
  type CorpusScore,
} from './caption.js';
import { meanScore, type Metric, type ScoredSample } from './metric.js';
import { rougeL } from './rouge-l.js';

const N = 4;
const SIGMA = 6;

interface Vector {
  /** TF-IDF weights by n-gram, for each length. */
  readonly weights: readonly ReadonlyMap<string, number>[];
  readonly norms: readonly number[];
  readonly length: number;
}

/**
 * CIDEr of a corpus, in [0, 10]; papers print it times 100.
 * @throws FastvError `invalid-input` if there is no sample, or one without references
 */
export function cider(samples: readonly CaptionSample[]): CorpusScore {
  checkCaptions('CIDEr', samples);
  const references = samples.map((s) => s.references.map((r) => ngramCounts(r, N)));

  // document frequency: in how many samples' references an n-gram occurs
  const frequency = new Map<string, number>();
  for (const counts of references) {
    for (const gram of new Set(counts.flat().flatMap((m) => [...m.keys()]))) {
      frequency.set(gram, (frequency.get(gram) ?? 0) + 1);
    }
  }
  const logCount = Math.log(samples.length);
  const vector = (counts: readonly ReadonlyMap<string, number>[]): Vector => {
    const weights = counts.map(
      (m) =>
        new Map(
          [...m].map(([gram, tf]) => [
            gram,
            tf * (logCount - Math.log(Math.max(1, frequency.get(gram) ?? 0))),
          ]),
        ),
    );
    const norms = weights.map((m) => Math.sqrt([...m.values()].reduce((sum, w) => sum + w * w, 0)));
    // the reference code measures a caption by its bigrams
    const length = [...(counts[1] ?? new Map<string, number>()).values()].reduce((sum, c) => sum + c, 0);
    return { weights, norms, length };
  };

  const each = samples.map((sample, i) => {
    const candidate = vector(ngramCounts(sample.candidate, N));
    const similarities = (references[i] ?? []).map((counts) => similarity(candidate, vector(counts)));
    const sums = Array.from({ length: N }, (_, k) => similarities.reduce((sum, s) => sum + (s[k] ?? 0), 0));
    return (mean(sums) / sample.references.length) * 10;
  });
  return { score: mean(each), each };
}

/** Clipped cosine similarity for each length of n-gram, with the length penalty. */
function similarity(candidate: Vector, reference: Vector): number[] {
  const penalty = Math.exp(-((candidate.length - reference.length) ** 2) / (2 * SIGMA ** 2));
  return candidate.weights.map((weights, k) => {
    let dot = 0;
    for (const [gram, weight] of weights) {
      const other = reference.weights[k]?.get(gram) ?? 0;
      dot += Math.min(weight, other) * other;
    }
    const norm = (candidate.norms[k] ?? 0) * (reference.norms[k] ?? 0);
    return (norm === 0 ? dot : dot / norm) * penalty;
  });
}

/**
 * Captions: CIDEr first, BLEU and ROUGE-L besides. Document frequencies are those of the references, which every
 * condition shares, so samples have scores of their own: the bootstrap draws samples again and keeps the frequencies.
 */
export const captionMetric: Metric<'caption'> = {
  name: 'caption',
  label: 'CIDEr',
  about: 'how much of what the references agree on a caption says, by the COCO caption code',
  unit: 'percent',
  higherIsBetter: true,
  scoreReply: () => ({ score: null, choice: null }),
  units: (samples) => cider(captionsOf(samples)).each.map((score, i) => ({ samples: [i], values: [score] })),
  score: meanScore,
  details(samples) {
    const captions = captionsOf(samples);
    const [b1 = 0, b2 = 0, b3 = 0, b4 = 0] = bleu(captions).score;
    const { score } = rougeL(captions);
    return { 'BLEU-1': b1, 'BLEU-2': b2, 'BLEU-3': b3, 'BLEU-4': b4, 'ROUGE-L': score };
  },
};

function captionsOf(samples: readonly ScoredSample[]): CaptionSample[] {
  return samples.map(({ prediction, answers }) => captionSample(prediction, answers));
}
