/**
 * BLEU-1…4 of a corpus, as the COCO caption code computes it: counts clipped by the largest count in
 * any one reference; the reference length closest to the candidate's (the shorter of two equally
 * close); the small constants that keep an empty count from dividing by zero.
 *
 * Source: Papineni et al., "BLEU: a method for automatic evaluation of machine translation" (2002).
 */
import { checkCaptions, ngramCounts, type CaptionSample } from './caption.js';

const N = 4;
const SMALL = 1e-9;
const TINY = 1e-15;

export interface BleuScore {
  /** BLEU-1, -2, -3, -4 of the corpus. */
  readonly score: readonly number[];
  /** The same four for each sample. */
  readonly each: readonly (readonly number[])[];
}

interface Counts {
  readonly length: number;
  readonly referenceLength: number;
  readonly guesses: readonly number[];
  readonly correct: readonly number[];
}

/**
 * BLEU-1…4, each in [0, 1].
 * @throws FastvError `invalid-input` if there is no sample, or one without references
 */
export function bleu(samples: readonly CaptionSample[]): BleuScore {
  checkCaptions('BLEU', samples);
  const counts = samples.map((sample) => count(sample, samples.length === 1));
  const sum = (of: (c: Counts) => number): number => counts.reduce((total, c) => total + of(c), 0);
  const total: Counts = {
    length: sum((c) => c.length),
    referenceLength: sum((c) => c.referenceLength),
    guesses: Array.from({ length: N }, (_, k) => sum((c) => c.guesses[k] ?? 0)),
    correct: Array.from({ length: N }, (_, k) => sum((c) => c.correct[k] ?? 0)),
  };
  return { score: scores(total), each: counts.map(scores) };
}

function count({ candidate, references }: CaptionSample, alone: boolean): Counts {
  const length = candidate.length;
  const maximum = Array.from({ length: N }, () => new Map<string, number>());
  for (const reference of references) {
    ngramCounts(reference, N).forEach((counts, k) => {
      const most = maximum[k];
      for (const [gram, n] of counts) most?.set(gram, Math.max(n, most.get(gram) ?? 0));
    });
  }
  const correct = ngramCounts(candidate, N).map((counts, k) =>
    [...counts].reduce((sum, [gram, n]) => sum + Math.min(n, maximum[k]?.get(gram) ?? 0), 0),
  );
  const lengths = references.map((r) => r.length);
  const closest = lengths.reduce((best, l) => {
    const [far, nearest] = [Math.abs(l - length), Math.abs(best - length)];
    return far < nearest || (far === nearest && l < best) ? l : best;
  });
  // the reference code takes the mean length instead where it is given one sample only
  const referenceLength = alone ? lengths.reduce((a, b) => a + b, 0) / lengths.length : closest;
  const guesses = Array.from({ length: N }, (_, k) => Math.max(0, length - k));
  return { length, referenceLength, guesses, correct };
}

function scores({ length, referenceLength, guesses, correct }: Counts): number[] {
  const ratio = (length + TINY) / (referenceLength + SMALL);
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return guesses.map((guess, k) => {
    product *= ((correct[k] ?? 0) + TINY) / (guess + SMALL);
    return product ** (1 / (k + 1)) * brevity;
  });
}
