/** What the caption metrics take: one candidate and its references, as tokens. */
import { FastvError } from '../../errors.js';
import { ptbTokenize } from './ptb-tokenize.js';

/** A caption to be scored. The metrics compare tokens, so the caller decides what a token is. */
export interface CaptionSample {
  readonly candidate: readonly string[];
  readonly references: readonly (readonly string[])[];
}

/** A corpus score with the scores of its samples, in order. */
export interface CorpusScore {
  readonly score: number;
  readonly each: readonly number[];
}

/** Tokenises a caption and its references as the COCO caption code does. */
export function captionSample(candidate: string, references: readonly string[]): CaptionSample {
  return { candidate: ptbTokenize(candidate), references: references.map(ptbTokenize) };
}

/** @throws FastvError `invalid-input` if there is no sample, or one without references. */
export function checkCaptions(metric: string, samples: readonly CaptionSample[]): void {
  if (samples.length === 0)
    throw new FastvError('invalid-input', `${metric}: there are no captions to score`);
  samples.forEach((sample, i) => {
    if (sample.references.length === 0) {
      throw new FastvError('invalid-input', `${metric}: a caption has no reference`, {
        where: `sample ${i}`,
      });
    }
  });
}

/** How often each n-gram of each length 1…n occurs: `counts[k - 1]` maps a k-gram to its count. */
export function ngramCounts(tokens: readonly string[], n: number): Map<string, number>[] {
  return Array.from({ length: n }, (_, k) => {
    const counts = new Map<string, number>();
    for (let i = 0; i + k < tokens.length; i++) {
      // tokens hold no line break: they come from splitting at white space
      const gram = tokens.slice(i, i + k + 1).join('\n');
      counts.set(gram, (counts.get(gram) ?? 0) + 1);
    }
    return counts;
  });
}
