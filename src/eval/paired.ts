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
  const common = inCommon(found, results, base);
  if (common.own.length === 0) return { loyalty: null, difference: null };
  const loyalty = agreeing(found, common) / common.own.length;
  const places = wholePlaces(found, common.own);
  const [own, its] = [placed(common.own, places), placed(common.its, places)];
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
  const common = inCommon(metric, results, base);
  return { same: agreeing(metric, common), of: common.own.length };
}

/** The samples that two sets of results have in common, one beside the other. */
interface Common {
  readonly own: readonly ScoredSample[];
  readonly its: readonly ScoredSample[];
  /** Of the table of both. */
  readonly table: TaskResults['table'];
  readonly rows: Uint32Array;
  readonly baseRows: Uint32Array;
}

function inCommon(metric: Metric, results: TaskResults, base: TaskResults): Common {
  const [own, its] = commonPlaces(results.names, base.names);
  const rowsAt = ({ rows }: TaskResults, places: Uint32Array): Uint32Array =>
    places.map((place) => rows[place] ?? -1);
  return {
    own: placed(samplesFor(metric, results), own),
    its: placed(samplesFor(metric, base), its),
    table: results.table,
    rows: rowsAt(results, own),
    baseRows: rowsAt(base, its),
  };
}

function agreeing(metric: Metric, { own, its, table, rows, baseRows }: Common): number {
  let same = 0;
  own.forEach((one, i) => {
    const other = its[i];
    const [row, baseRow] = [rows[i] ?? -1, baseRows[i] ?? -1];
    // the same words to the same question, and the same choice taken, mean the same whatever the metric
    const isSame =
      table.predictionId(row) === table.predictionId(baseRow) && table.choice(row) === table.choice(baseRow);
    if (isSame || (other !== undefined && sameMeaning(meaningOf(metric, one), meaningOf(metric, other))))
      same++;
  });
  return same;
}

/** Where in two rising lists the same numbers are. */
export function commonPlaces(one: Uint32Array, other: Uint32Array): readonly [Uint32Array, Uint32Array] {
  const [a, b] = [new Uint32Array(one.length), new Uint32Array(one.length)];
  let count = 0;
  for (let i = 0, j = 0; i < one.length && j < other.length;) {
    const difference = (one[i] ?? 0) - (other[j] ?? 0);
    if (difference === 0) {
      a[count] = i;
      b[count++] = j;
    }
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  return [a.subarray(0, count), b.subarray(0, count)];
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
  const isRight = (right: boolean | null): right is boolean => right !== null;
  return first.every(isRight) && second.every(isRight) ? mcnemarExact(first, second).pValue : null;
}
