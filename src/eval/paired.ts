/** Two sets of results on the same samples: how often they agree, and whether one scores better. */
import { findMetric, type MetricName } from './metrics/index.js';
import { scoreOf, unitsOf, type Metric, type ScoredSample, type Units } from './metrics/metric.js';
import type { TaskResults } from './results/table.js';
import { placed, samplesFor, wholePlaces } from './score.js';
import { differenceInterval, type PairedDifference } from './statistics/bootstrap.js';
import { meaningOf, sameMeaning } from './statistics/loyalty.js';
import { mcnemarExact } from './statistics/mcnemar.js';
import { resampledScores } from './statistics/resample.js';

/** How results compare with others of the same samples. */
export interface PairedComparison {
  /** The share of samples with the same reply, or one that means the same, in [0, 1]; null without a common sample. */
  readonly loyalty: number | null;
  /**
   * The difference of the two scores, in the metric's own unit, with its 95% bootstrap interval; `mcnemar` is the p-value
   * of McNemar's exact test where every sample (or unit) is right or wrong. Null without a common sample.
   */
  readonly difference: (PairedDifference & { readonly mcnemar: number | null }) | null;
}

/**
 * Compares results with a base, over the samples that both have.
 * @param base of the same table
 * @param seed of the bootstrap
 */
export function pairedComparison(
  metric: MetricName | Metric,
  results: TaskResults,
  base: TaskResults,
  seed: number,
): PairedComparison {
  const found = findMetric(metric);
  const { same, of } = agreement(found, results, base);
  if (of === 0) return { loyalty: null, difference: null };
  const loyalty = same / of;
  const [all, others] = commonPlaces(results.names, base.names);
  const common = placed(samplesFor(found, results), all);
  const places = wholePlaces(found, common);
  const own = placed(common, places);
  const its = placed(placed(samplesFor(found, base), others), places);
  if (own.length === 0) return { loyalty, difference: null };
  const [units, baseUnits] = [unitsOf(found, own), unitsOf(found, its)];
  const [scores = new Float64Array(), baseScores = new Float64Array()] = resampledScores(
    found,
    [units, baseUnits],
    { seed },
  );
  const difference = differenceInterval(
    scoreOf(found, units) - scoreOf(found, baseUnits),
    scores.map((score, resample) => score - (baseScores[resample] ?? NaN)),
  );
  const mcnemar = mcnemarOf(rights(units, own), rights(baseUnits, its));
  return { loyalty, difference: { ...difference, mcnemar } };
}

/** On how many of the samples that both have answered replies are the same, or mean the same. */
export function agreement(
  metric: Metric,
  results: TaskResults,
  base: TaskResults,
): { readonly same: number; readonly of: number } {
  const [own, its] = commonPlaces(results.names, base.names);
  const [samples, others] = [samplesFor(metric, results), samplesFor(metric, base)];
  const { table } = results;
  let same = 0;
  own.forEach((place, i) => {
    const other = its[i] ?? -1;
    const [one, two] = [samples[place], others[other]];
    if (one === undefined || two === undefined) return;
    const isSameText =
      metric.meaning === undefined &&
      table.predictionId(results.rows[place] ?? -1) === table.predictionId(base.rows[other] ?? -1);
    if (isSameText || sameMeaning(meaningOf(metric, one), meaningOf(metric, two))) same++;
  });
  return { same, of: own.length };
}

/** Where in two rising lists the same numbers are. */
export function commonPlaces(one: Uint32Array, other: Uint32Array): readonly [number[], number[]] {
  const [a, b]: [number[], number[]] = [[], []];
  for (let i = 0, j = 0; i < one.length && j < other.length;) {
    const difference = (one[i] ?? 0) - (other[j] ?? 0);
    if (difference === 0) {
      a.push(i);
      b.push(j);
    }
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  return [a, b];
}

/** Whether each unit is right; null for one that is neither. */
function rights({ count, width, values, samples }: Units, own: readonly ScoredSample[]): (boolean | null)[] {
  return Array.from({ length: count }, (_, unit) => {
    const members = samples === null ? [unit] : (samples[unit] ?? []);
    const [place = -1] = members;
    const right = members.length === 1 ? own[place]?.score : width === 1 ? values[unit] : null;
    return right === 1 ? true : right === 0 ? false : null;
  });
}

function mcnemarOf(first: readonly (boolean | null)[], second: readonly (boolean | null)[]): number | null {
  const [a, b] = [first.filter((right) => right !== null), second.filter((right) => right !== null)];
  return a.length < first.length || b.length < second.length ? null : mcnemarExact(a, b).pValue;
}
