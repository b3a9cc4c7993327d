/** Two sets of results on the same samples: how often they agree, and whether one scores better. */
import { findMetric, type MetricName } from './metrics/index.js';
import { placed, scoreOf, unitsOf, type Metric, type Samples, type Units } from './metrics/metric.js';
import type { TaskResults } from './results/table.js';
import { samplesFor, scoreTask, wholePlaces, type TaskScore } from './score.js';
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
  return compared(found, inCommon(found, results, base), seed);
}

/**
 * A task's score, and how it compares with a base.
 * @param base null: with nothing
 * @param seed of the bootstrap
 */
export function scoreAgainst(
  metric: MetricName | Metric,
  results: TaskResults,
  base: TaskResults | null,
  seed: number,
): TaskScore & PairedComparison {
  const found = findMetric(metric);
  // a list of them is made once
  const samples = samplesFor(found, results);
  const score = scoreTask(found, placed(samples, wholePlaces(found, samples)), seed);
  if (base === null) return { ...score, loyalty: null, difference: null };
  return { ...score, ...compared(found, inCommon(found, results, base, samples), seed) };
}

function compared(found: Metric, common: Common, seed: number): PairedComparison {
  if (common.own.length === 0) return { loyalty: null, difference: null };
  const loyalty = agreeing(found, common) / common.own.length;
  const places = wholePlaces(found, common.own);
  const [own, its] = [placed(common.own, places), placed(common.its, places)];
  if (own.length === 0) return { loyalty, difference: null };
  // drawn as the first's are
  const [units, baseUnits] = [unitsOf(found, own), unitsOf(found, its, { clustered: false })];
  const [scores = new Float64Array(), baseScores = new Float64Array()] = resampledScores(
    found,
    [units, baseUnits],
    { seed },
  );
  const difference = differenceInterval(
    scoreOf(found, units) - scoreOf(found, baseUnits),
    scores.map((score, resample) => score - (baseScores[resample] ?? NaN)),
  );
  const mcnemar = mcnemarOf({ units, samples: own }, { units: baseUnits, samples: its });
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
  readonly own: Samples;
  readonly its: Samples;
  /** Of the table of both. */
  readonly table: TaskResults['table'];
  readonly rows: Uint32Array;
  readonly baseRows: Uint32Array;
}

function inCommon(
  metric: Metric,
  results: TaskResults,
  base: TaskResults,
  samples = samplesFor(metric, results),
): Common {
  const [own, its] = commonPlaces(results.names, base.names);
  const rowsAt = ({ rows }: TaskResults, places: Uint32Array): Uint32Array =>
    places.map((place) => rows[place] ?? -1);
  return {
    own: placed(samples, own),
    its: placed(samplesFor(metric, base), its),
    table: results.table,
    rows: rowsAt(results, own),
    baseRows: rowsAt(base, its),
  };
}

function agreeing(metric: Metric, { own, its, table, rows, baseRows }: Common): number {
  let same = 0;
  for (let i = 0; i < own.length; i++) {
    const [row, baseRow] = [rows[i] ?? -1, baseRows[i] ?? -1];
    // the same words to the same question, and the same choice taken, mean the same whatever the metric
    const isSame =
      table.predictionId(row) === table.predictionId(baseRow) && table.choice(row) === table.choice(baseRow);
    const [one, other] = isSame ? [] : [own.at(i), its.at(i)];
    const meansSame = (): boolean =>
      one !== undefined &&
      other !== undefined &&
      sameMeaning(meaningOf(metric, one), meaningOf(metric, other));
    if (isSame || meansSame()) same++;
  }
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

/** The p-value of McNemar's exact test; null where a unit of either is neither right nor wrong. */
function mcnemarOf(first: Rights, second: Rights): number | null {
  const [one, other] = [rights(first), rights(second)];
  return one === null || other === null ? null : mcnemarExact(one, other).pValue;
}

interface Rights {
  readonly units: Units;
  readonly samples: Samples;
}

function rights({ units: { count, width, values, samples: members }, samples }: Rights): boolean[] | null {
  const each: boolean[] = [];
  for (let unit = 0; unit < count; unit++) {
    const places = members === null ? [unit] : (members[unit] ?? []);
    const [place = samples.length] = places;
    const right = places.length === 1 ? samples.at(place)?.score : width === 1 ? values[unit] : null;
    if (right !== 1 && right !== 0) return null;
    each.push(right === 1);
  }
  return each;
}
