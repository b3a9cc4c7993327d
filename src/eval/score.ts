/** Scoring replies: each one as it comes, and a task's results together. Single metrics are not known here. */
import { groupBy } from './group-by.js';
import { findMetric, type MetricName } from './metrics/index.js';
import { checkReply } from './metrics/limits.js';
import {
  clustersOf,
  meanScore,
  scoreOf,
  unitsOf,
  type Metric,
  type Reply,
  type Scored,
  type ScoredSample,
  type Target,
  type Unit,
} from './metrics/metric.js';
import { percentileInterval } from './statistics/bootstrap.js';
import { resampledScores } from './statistics/resample.js';
import { wilsonInterval } from './statistics/wilson.js';

export type { Reply, Scored, ScoredSample, Target } from './metrics/metric.js';

/** Scores one reply. @throws FastvError `invalid-input` for one that is too long */
export function scoreReply(metric: MetricName | Metric, target: Target, reply: Reply): Scored {
  checkReply(reply.text);
  return findMetric(metric).scoreReply(target, reply);
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
export function scoreTask(
  metric: MetricName | Metric,
  samples: readonly ScoredSample[],
  seed = 0,
): TaskScore {
  const found = findMetric(metric);
  const { label, unit, higherIsBetter } = found;
  const units = samples.length === 0 ? [] : unitsOf(found, samples);
  return {
    metric: label,
    unit,
    higherIsBetter,
    score: units.length === 0 ? NaN : scoreOf(found, units),
    interval: units.length === 0 ? null : intervalOf(found, units, seed),
    samples: units.length,
    clusters: clustersOf(units),
    details: samples.length === 0 ? {} : (found.details?.(samples) ?? {}),
    categories: categoriesOf(found, units, samples),
  };
}

function intervalOf(
  metric: Metric,
  units: readonly Unit[],
  seed: number,
): { readonly low: number; readonly high: number } {
  const score = scoreOf(metric, units);
  const binary = units.every(({ values: [value] }) => value === 0 || value === 1);
  if (metric.score === meanScore && binary && clustersOf(units) === null)
    return wilsonInterval(score, units.length);
  const [resampled = new Float64Array()] = resampledScores(metric, [units], { seed });
  const { low, high } = percentileInterval(score, resampled);
  return { low, high };
}

function categoriesOf(
  metric: Metric,
  units: readonly Unit[],
  samples: readonly ScoredSample[],
): TaskScore['categories'] {
  const groups = groupBy(units, ({ samples: [first = -1] }) => samples[first]?.category ?? null);
  const named = [...groups].flatMap(([name, members]) => (name === null ? [] : [{ name, members }]));
  return Object.fromEntries(
    named
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, members }) => [name, { score: scoreOf(metric, members), samples: members.length }]),
  );
}
