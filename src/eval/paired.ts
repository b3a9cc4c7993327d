/** Two sets of results on the same samples: how often they agree, and whether one scores better. */
import { pairedBootstrap, type PairedDifference } from './metrics/bootstrap.js';
import { loyalty } from './metrics/loyalty.js';
import { mcnemarExact } from './metrics/mcnemar.js';
import type { Result } from './result.js';

/** How results compare with others of the same samples. */
export interface PairedComparison {
  /** The share of samples with the same reply, in [0, 1]; null without a common sample. */
  readonly loyalty: number | null;
  /**
   * The mean difference of the samples' scores, with its 95% bootstrap interval; `mcnemar` is the p-value of McNemar's
   * exact test where every score is 0 or 1. Null where samples have no score of their own (captions).
   */
  readonly difference: (PairedDifference & { readonly mcnemar: number | null }) | null;
}

/**
 * Compares results with a base, over the samples that both have.
 * @param seed of the bootstrap
 */
export function pairedComparison(
  results: readonly Result[],
  base: readonly Result[],
  seed: number,
): PairedComparison {
  const key = (r: Result): string => `${r.task}\n${r.sample}`;
  const other = new Map(base.map((r) => [key(r), r]));
  const pairs = results.flatMap((r) => {
    const o = other.get(key(r));
    return o === undefined ? [] : [[r, o] as const];
  });
  if (pairs.length === 0) return { loyalty: null, difference: null };
  const agreement = loyalty(
    new Map(pairs.map(([r]) => [key(r), r.prediction])),
    new Map(pairs.map(([, o]) => [key(o), o.prediction])),
  );
  const scores = pairs.flatMap(([r, o]) =>
    r.score === null || o.score === null ? [] : [[r.score, o.score] as const],
  );
  if (scores.length === 0) return { loyalty: agreement.score, difference: null };
  const [a, b] = [scores.map(([s]) => s), scores.map(([, s]) => s)];
  const binary = [...a, ...b].every((s) => s === 0 || s === 1);
  const mcnemar = binary
    ? mcnemarExact(
        a.map((s) => s === 1),
        b.map((s) => s === 1),
      ).pValue
    : null;
  return { loyalty: agreement.score, difference: { ...pairedBootstrap(a, b, { seed }), mcnemar } };
}
