/** Scoring replies: each one as it comes, and a task's results together. Single metrics are not known here. */
import { groupBy } from './group-by.js';
import { findMetric, METRICS, type MetricName } from './metrics/index.js';
import { checkReply } from './metrics/limits.js';
import {
  firstSample,
  isOfEach,
  listOf,
  meanScore,
  scoreOf,
  unitsOf,
  type Metric,
  type Reply,
  type Samples,
  type Scored,
  type Target,
  type Units,
} from './metrics/metric.js';
import type { TaskResults } from './results/table.js';
import { percentileInterval } from './statistics/bootstrap.js';
import { resampledScores } from './statistics/resample.js';
import { wilsonInterval } from './statistics/wilson.js';

export type { Reply, Scored, ScoredSample, Target } from './metrics/metric.js';

/** Scores one reply. @throws FastvError `invalid-input` for one that is too long */
export function scoreReply(metric: MetricName | Metric, target: Target, reply: Reply): Scored {
  checkReply(reply.text);
  return findMetric(metric).scoreReply(target, reply);
}

/**
 * Results as a metric takes them: a list for one that needs all samples at once, made once. One of the user's own gets plain objects,
 * which it may copy.
 */
export function samplesFor(metric: Metric, results: TaskResults): Samples {
  const samples = results.samples();
  if (METRICS.some((known) => known === metric)) return isOfEach(metric) ? samples : listOf(samples);
  return listOf(samples).map(({ prediction, score, answers, category, group, choice, options, image }) => ({
    ...{ prediction, score, answers, category, group, image },
    ...(choice === undefined ? {} : { choice }),
    ...(options === undefined ? {} : { options }),
  }));
}

/** The places of samples that can be scored: a run that was ended may have cut one of MME's pairs in two. Null: all. */
export function wholePlaces(metric: Metric, samples: Samples): readonly number[] | null {
  const whole = metric.whole?.(listOf(samples));
  return whole === undefined ? null : [...whole.keys()].filter((place) => whole[place] !== false);
}

/** A task's score. */
export interface TaskScore extends Pick<Metric, 'unit' | 'higherIsBetter'> {
  /** The number that the task is known by: accuracy, CIDEr, F1, … */
  readonly metric: string;
  readonly score: number;
  /** 95%: Wilson's where the score is a share of right and wrong, else by the bootstrap; null without samples. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** What the score is made of: samples, MME's pairs, MMBench's questions with all their copies. */
  readonly samples: number;
  /** How many images they are about, where several are about one, so that images were drawn; else null. */
  readonly clusters: number | null;
  /** Further numbers, by name. */
  readonly details: Readonly<Record<string, number>>;
  /** The score of each category, where the task has categories. */
  readonly categories: Readonly<Record<string, { readonly score: number; readonly samples: number }>>;
}

/**
 * A task's score over its samples.
 * @param seed of the bootstrap
 * @throws FastvError `invalid-input` for samples that cannot be scored together (half a pair of MME's)
 */
export function scoreTask(metric: MetricName | Metric, samples: Samples, seed = 0): TaskScore {
  const found = findMetric(metric);
  const { label, unit, higherIsBetter } = found;
  const units = samples.length === 0 ? null : unitsOf(found, samples);
  return {
    metric: label,
    unit,
    higherIsBetter,
    score: units === null ? NaN : scoreOf(found, units),
    interval: units === null ? null : intervalOf(found, units, seed),
    samples: units?.count ?? 0,
    clusters: units?.clusters?.names.length ?? null,
    details: samples.length === 0 ? {} : (found.details?.(listOf(samples)) ?? {}),
    categories: units === null ? {} : categoriesOf(found, units, samples),
  };
}

function intervalOf(
  metric: Metric,
  units: Units,
  seed: number,
): { readonly low: number; readonly high: number } {
  const score = scoreOf(metric, units);
  if (isShare(metric, units)) return wilsonInterval(score, units.count);
  const [resampled = new Float64Array()] = resampledScores(metric, [units], { seed });
  const { low, high } = percentileInterval(score, resampled);
  return { low, high };
}

/** Whether a score is the share of units that are right, each by itself. */
export function isShare(metric: Metric, { values, clusters }: Units): boolean {
  return (
    metric.score === meanScore && clusters === null && values.every((value) => value === 0 || value === 1)
  );
}

function categoriesOf(metric: Metric, units: Units, samples: Samples): TaskScore['categories'] {
  const categoryOf = (unit: number): string | null =>
    samples.at(firstSample(units, unit) ?? samples.length)?.category ?? null;
  const places = new Uint32Array(units.count).map((_, unit) => unit);
  const groups = groupBy(
    places.filter((unit) => categoryOf(unit) !== null),
    categoryOf,
  );
  const named = [...groups].flatMap(([name, members]) => (name === null ? [] : [{ name, members }]));
  return Object.fromEntries(
    named
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, members }) => [
        name,
        { score: scoreOf(metric, units, members), samples: members.length },
      ]),
  );
}
