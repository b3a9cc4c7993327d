/** Two sets of results on the same samples: how often they agree, and whether one scores better. */
import { findMetric, type MetricName } from './metrics/index.js';
import { scoreOf, unitsOf, type Metric, type Unit } from './metrics/metric.js';
import { sampleName, type Result } from './result.js';
import { differenceInterval, type PairedDifference } from './statistics/bootstrap.js';
import { loyalty, meaningOf } from './statistics/loyalty.js';
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
 * @param seed of the bootstrap
 */
export function pairedComparison(
  metric: MetricName | Metric,
  results: readonly Result[],
  base: readonly Result[],
  seed: number,
): PairedComparison {
  const found = findMetric(metric);
  const other = new Map(base.map((r) => [sampleName(r), r]));
  const common = results.filter((r) => other.has(sampleName(r)));
  if (common.length === 0) return { loyalty: null, difference: null };
  const agreement = loyalty(
    new Map(common.map((r) => [sampleName(r), meaningOf(found, r)])),
    new Map([...other].map(([name, o]) => [name, meaningOf(found, o)])),
  );
  const whole = found.whole?.(common);
  const own = common.filter((_, place) => whole?.[place] !== false);
  const its = own.flatMap((r) => other.get(sampleName(r)) ?? []);
  if (own.length === 0) return { loyalty: agreement.score, difference: null };
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
  return { loyalty: agreement.score, difference: { ...difference, mcnemar } };
}

/** Whether each unit is right; null for one that is neither. */
function rights(units: readonly Unit[], results: readonly Result[]): (boolean | null)[] {
  return units.map(({ samples, values }) => {
    const [place = -1] = samples;
    const right = samples.length === 1 ? results[place]?.score : values.length === 1 ? values[0] : null;
    return right === 1 ? true : right === 0 ? false : null;
  });
}

function mcnemarOf(first: readonly (boolean | null)[], second: readonly (boolean | null)[]): number | null {
  const [a, b] = [first.filter((right) => right !== null), second.filter((right) => right !== null)];
  return a.length < first.length || b.length < second.length ? null : mcnemarExact(a, b).pValue;
}
