/**
 * Loyalty: how often a pruned model says what the unpruned model says, right or wrong. It measures the
 * harm of pruning where accuracy cannot: two errors may cancel in accuracy, never in loyalty.
 */
import { FastvError } from '../../errors.js';
import { normalizeText } from '../metrics/exact-match.js';
import type { Metric, ScoredSample } from '../metrics/metric.js';

/** What a reply says: by the metric's reading of it, else its words. */
export function meaningOf(metric: Metric, sample: ScoredSample): string {
  return metric.meaning?.(sample) ?? sample.prediction;
}

/** Whether two replies, or what they mean, are the same after `normalizeText`. */
export function sameMeaning(reply: string, other: string): boolean {
  // mostly the same words
  return reply === other || normalizeText(reply) === normalizeText(other);
}

/**
 * The share of samples on which two models agree, in [0, 1], with each sample's agreement.
 * Replies, or what they mean, are compared after `normalizeText`.
 * @throws FastvError `invalid-input` if the two did not answer the same samples
 */
export function loyalty(
  pruned: ReadonlyMap<string, string>,
  unpruned: ReadonlyMap<string, string>,
): { readonly score: number; readonly each: ReadonlyMap<string, 0 | 1> } {
  const each = new Map<string, 0 | 1>();
  for (const [id, reply] of pruned) {
    const other = unpruned.get(id);
    if (other === undefined) {
      throw new FastvError('invalid-input', 'loyalty: the unpruned model has not answered this sample', {
        where: id,
      });
    }
    each.set(id, sameMeaning(reply, other) ? 1 : 0);
  }
  if (each.size === 0) throw new FastvError('invalid-input', 'loyalty: there are no samples');
  return { score: [...each.values()].reduce<number>((sum, v) => sum + v, 0) / each.size, each };
}
