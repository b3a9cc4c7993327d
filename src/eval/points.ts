/**
 * A sweep's results as points to be plotted: one for each K, R and strategy, the seeds of the random baseline taken
 * together, scores averaged over tasks.
 *
 * Every task counts the same, however many samples it has, in the score, in its interval and in the difference to the
 * unpruned model, which is the difference of the two scores. Samples are drawn again within their task.
 */
import { FastvError } from '../errors.js';
import { mean } from '../statistics.js';
import { methodName, type StrategyName } from '../strategies/index.js';
import { downsampledCondition, type Condition } from './answerer.js';
import { costOf, type CellCost } from './cost.js';
import { groupBy } from './group-by.js';
import { findMetric } from './metrics/index.js';
import {
  clustersOf,
  meanScore,
  scoreOf,
  strataOf,
  unitsOf,
  type Metric,
  type Unit,
} from './metrics/metric.js';
import { normalizeText } from './metrics/exact-match.js';
import { paretoFront } from './pareto.js';
import { sampleName, type Result } from './result.js';
import {
  differenceInterval,
  percentileInterval,
  type BootstrapOptions,
  type Interval,
  type PairedDifference,
} from './statistics/bootstrap.js';
import { holm } from './statistics/holm.js';
import { meaningOf, sameMeaning } from './statistics/loyalty.js';
import { resampledScores } from './statistics/resample.js';
import { wilsonInterval } from './statistics/wilson.js';
import type { Task } from './tasks/task.js';

/** What a point stands for: the name of a method (`scope+sizes+mean`), `unpruned` or `downsample`. */
export type PointKind = StrategyName | 'unpruned' | 'downsample' | (string & {});

/** The samples on one side of a split. */
export interface Side {
  /** The mean of their scores; null without samples. */
  readonly score: number | null;
  readonly samples: number;
}

export interface Point {
  /** The condition's name without its seed. */
  readonly name: string;
  readonly kind: PointKind;
  readonly layer: number | null;
  readonly ratio: number;
  /**
   * Mean over tasks of each task's own score (accuracy, CIDEr, F1, …), in shares: MME's points over the most that can be
   * had, CIDEr as it is, which may be more than 1. With its interval over samples.
   */
  readonly score: Interval;
  /** Default: yes. */
  readonly higherIsBetter?: boolean;
  /**
   * Score less the unpruned model's on the same samples; null where that has not run. `pHolm` is the p-value adjusted for
   * all comparisons of the sweep (Holm).
   */
  readonly difference: (PairedDifference & { readonly pHolm?: number }) | null;
  /** Mean over tasks of each score over the unpruned model's, what papers print as "relative"; null where that is unknown. */
  readonly relative?: number | null;
  /** The task that loses most, and how much in shares; null for the unpruned model. */
  readonly worst?: { readonly task: string; readonly difference: number } | null;
  /**
   * Samples that the unpruned model gets right, by whether a smaller image would have done as well: the score on each side
   * (VTC-Bench, arXiv 2510.07143). Null where as much was not downsampled.
   */
  readonly split?: { readonly difficult: Side; readonly easy: Side } | null;
  /**
   * Generated tokens from which an answer takes less time than the unpruned model's: 0 where ranking has paid for itself in
   * the prefill already, null where it never does. By medians.
   */
  readonly breakEvenTokens?: number | null;
  /**
   * Share of the yes-no questions whose answer is no that it answers with yes: things that it sees and that are not there.
   * Null without such questions.
   */
  readonly hallucination?: number | null;
  /** Share of samples on which it says what the unpruned model says. */
  readonly loyalty: number | null;
  /** Samples, seeds counted once (units: a pair of MME's questions is one). */
  readonly samples: number;
  readonly seeds: number;
  /** Scores of each seed, to show their spread. */
  readonly bySeed: readonly number[];
  /** Prefill FLOPs over those of the unpruned model at full resolution; null where they are not known. */
  readonly flopsRatio: number | null;
  readonly kvRatio: number | null;
  readonly prefillMs: number;
  readonly keptImageTokens: number;
  readonly byTask: Readonly<Record<string, number>>;
}

/**
 * The points of a sweep.
 * @param results of the conditions on the tasks
 * @throws FastvError `invalid-input` for tasks whose scores have no mean: higher is better in some, lower in others
 */
export function sweepPoints(
  tasks: readonly Task[],
  conditions: readonly Condition[],
  results: readonly Result[],
  options: BootstrapOptions = {},
): readonly Point[] {
  const higherIsBetter = directionOf(tasks);
  const byCondition = groupBy(results, ({ condition }) => condition);
  const base = conditions.find((c) => c.pruning === null && c.imageScale === 1);
  const baseResults = base === undefined ? [] : (byCondition.get(base.name) ?? []);
  const reference = new Map(baseResults.map((r) => [sampleName(r), r]));
  const whole = scoresByTask(tasks, [baseResults]);
  const baseCost = costOf(baseResults, baseResults);
  const groups = groupBy(conditions, ({ name }) => name.replace(/-s\d+$/, ''));
  const points = [...groups].flatMap(([name, members]): Point[] => {
    const [first] = members;
    const each = members.map((c) => byCondition.get(c.name) ?? []);
    const all = each.flat();
    const own = scoresByTask(tasks, each);
    if (first === undefined || own.length === 0) return [];
    const isBase = first === base;
    const cost = costOf(all, baseResults);
    return [
      {
        name,
        kind: kindOf(first),
        layer: first.pruning?.layer ?? null,
        ratio: ratioOf(first, cost),
        score: scoreInterval(own, options),
        ...(higherIsBetter ? {} : { higherIsBetter }),
        difference: withHolm(isBase ? null : difference(own, whole, options)),
        ...(isBase ? { relative: null, worst: null } : losses(own, whole)),
        split: isBase || first.pruning === null ? null : splitOf(first, each, reference, byCondition),
        breakEvenTokens: isBase || baseResults.length === 0 ? null : breakEven(cost, baseCost),
        hallucination: hallucination(all),
        loyalty: isBase ? null : agreement(tasks, all, reference),
        samples: own.reduce((sum, { units }) => sum + units.size, 0),
        seeds: members.length,
        bySeed: each.map((of) => macroScore(scoresByTask(tasks, [of]))),
        flopsRatio: cost.flopsRatio,
        kvRatio: cost.kvRatio,
        prefillMs: cost.prefillMs,
        keptImageTokens: cost.keptImageTokens,
        byTask: Object.fromEntries(own.map((scores) => [scores.task, shareOf(scores)])),
      },
    ];
  });
  const adjusted = holm(points.flatMap(({ difference: d }) => (d === null ? [] : [d.pValue])));
  return points.map((point) =>
    point.difference === null
      ? point
      : { ...point, difference: { ...point.difference, pHolm: adjusted.shift() ?? NaN } },
  );
}

function withHolm(alone: PairedDifference | null): Point['difference'] {
  return alone === null ? null : { ...alone, pHolm: alone.pValue };
}

/** R: as it was asked for, or what a number of tokens came to. */
function ratioOf({ pruning, imageScale }: Condition, { imageTokens, keptImageTokens }: CellCost): number {
  if (pruning === null) return 1 - imageScale ** 2;
  if (pruning.tokens === undefined) return pruning.ratio;
  return imageTokens === 0 ? 0 : 1 - keptImageTokens / imageTokens;
}

/** What is lost against the unpruned model, task by task. */
function losses(own: readonly TaskScores[], base: readonly TaskScores[]): Pick<Point, 'relative' | 'worst'> {
  const each = own.flatMap((scores) => {
    const other = base.find(({ task }) => task === scores.task);
    if (other === undefined) return [];
    const [score, whole] = [shareOf(scores), shareOf(other)];
    const sign = scores.metric.higherIsBetter ? 1 : -1;
    return [
      { task: scores.task, relative: score / whole, loss: sign * (score - whole), difference: score - whole },
    ];
  });
  const [first, ...others] = each;
  if (first === undefined) return { relative: null, worst: null };
  const { task, difference: lost } = others.reduce((a, b) => (b.loss < a.loss ? b : a), first);
  const relative = mean(each.map((one) => one.relative));
  return { relative: Number.isFinite(relative) ? relative : null, worst: { task, difference: lost } };
}

/** The split by downsampling to as few tokens. */
function splitOf(
  { pruning }: Condition,
  each: readonly (readonly Result[])[],
  unpruned: ReadonlyMap<string, Result>,
  byCondition: ReadonlyMap<string, readonly Result[]>,
): NonNullable<Point['split']> | null {
  if (pruning === null || pruning.tokens !== undefined) return null;
  const small = byCondition.get(downsampledCondition(pruning.ratio).name);
  if (small === undefined) return null;
  const does = new Map(small.map((r) => [sampleName(r), r.score]));
  const sides: { difficult: number[]; easy: number[] } = { difficult: [], easy: [] };
  for (const result of each.flat()) {
    const name = sampleName(result);
    const other = does.get(name);
    if (unpruned.get(name)?.score !== 1 || result.score === null || typeof other !== 'number') continue;
    sides[other === 1 ? 'easy' : 'difficult'].push(result.score);
  }
  const side = (scores: readonly number[]): Side => ({
    score: scores.length === 0 ? null : mean(scores),
    samples: Math.round(scores.length / each.length),
  });
  return { difficult: side(sides.difficult), easy: side(sides.easy) };
}

function breakEven(own: CellCost, base: CellCost): number | null {
  const later = own.prefillMs - base.prefillMs;
  if (later <= 0) return 0;
  const perToken = base.decodeMsPerToken - own.decodeMsPerToken;
  return perToken > 0 ? Math.ceil(later / perToken) : null;
}

/** The points that no other beats in both FLOPs and score. */
export function frontOf(points: readonly Point[]): readonly Point[] {
  return paretoFront(
    points,
    (p) => p.flopsRatio ?? NaN,
    (p) => (p.higherIsBetter === false ? -p.score.estimate : p.score.estimate),
  );
}

function directionOf(tasks: readonly Task[]): boolean {
  const [first = true, ...others] = new Set(tasks.map(({ metric }) => findMetric(metric).higherIsBetter));
  if (others.length === 0) return first;
  throw new FastvError(
    'invalid-input',
    'higher is better in some tasks, and lower in others: they have no mean',
    {
      where: tasks.map(({ name }) => name).join(', '),
      hint: 'run them one by one',
    },
  );
}

/** A task's units under one condition, by name: the mean of each over seeds. */
interface TaskScores {
  readonly task: string;
  readonly metric: Metric;
  readonly units: ReadonlyMap<string, Unit>;
}

/** @param each results of each seed. Tasks without results are left out, the others come by name. */
function scoresByTask(tasks: readonly Task[], each: readonly (readonly Result[])[]): TaskScores[] {
  const byTask = each.map((results) => groupBy(results, ({ task }) => task));
  const scored = tasks.map((task): TaskScores => {
    const metric = findMetric(task.metric);
    const seeds = byTask.flatMap((of) => namedUnits(metric, of.get(task.name) ?? []));
    const units = [...groupBy(seeds, ([name]) => name)].map(([name, same]): [string, Unit] => {
      const [[, first] = [name, { samples: [], values: [] }]] = same;
      const values = first.values.map((_, column) =>
        mean(same.map(([, unit]) => unit.values[column] ?? NaN)),
      );
      return [name, { ...first, values }];
    });
    // the order in which questions were asked, or lie in a file, decides nothing
    return { task: task.name, metric, units: new Map(units.sort(([a], [b]) => (a < b ? -1 : 1))) };
  });
  return scored.filter(({ units }) => units.size > 0).sort((a, b) => (a.task < b.task ? -1 : 1));
}

/** Units by the samples that they are made of. */
function namedUnits(metric: Metric, results: readonly Result[]): [string, Unit][] {
  const whole = metric.whole?.(results);
  const usable = results.filter((_, place) => whole?.[place] !== false);
  if (usable.length === 0) return [];
  return unitsOf(metric, usable).map((unit): [string, Unit] => {
    const samples = unit.samples.map((place) => usable[place]?.sample ?? '');
    return [samples.sort().join('\n'), unit];
  });
}

function shareOf({ metric, units }: TaskScores): number {
  const all = [...units.values()];
  return share(metric, scoreOf(metric, all), strataOf(all).length);
}

function share(metric: Metric, score: number, strata: number): number {
  return metric.share?.(score, strata) ?? score;
}

function macroScore(tasks: readonly TaskScores[]): number {
  return mean(tasks.map(shareOf));
}

/**
 * The mean of tasks' scores with its interval. Where every unit of every task is right or wrong, tasks' own intervals are
 * Wilson's, put together by adding the squares of their halves (Newcombe, "Interval estimation for the difference between
 * independent proportions", 1998, method 10; Zou and Donner, "Construction of confidence limits about effect measures",
 * 2008): drawing again gives 1 of 1 an interval of nothing. Else they are drawn.
 */
function scoreInterval(tasks: readonly TaskScores[], options: BootstrapOptions): Interval {
  const estimate = macroScore(tasks);
  if (tasks.every(isShare)) {
    const each = tasks.map((scores) => ({
      score: shareOf(scores),
      ...wilsonInterval(shareOf(scores), scores.units.size),
    }));
    const half = (side: 'low' | 'high'): number =>
      Math.hypot(...each.map((one) => one[side] - one.score)) / tasks.length;
    return { estimate, low: estimate - half('low'), high: estimate + half('high') };
  }
  const each = tasks.map(({ metric, units }, place) =>
    resampledShares(metric, [[...units.values()]], place, options),
  );
  return percentileInterval(estimate, meanOfTasks(each.flatMap(([own]) => own ?? [])), options);
}

/** Whether a score is the share of units that are right, each by itself. */
function isShare({ metric, units }: TaskScores): boolean {
  const all = [...units.values()];
  return (
    metric.score === meanScore &&
    clustersOf(all) === null &&
    all.every(({ values: [v] }) => v === 0 || v === 1)
  );
}

/** The difference over the samples that both have, drawn in pairs. */
function difference(
  own: readonly TaskScores[],
  base: readonly TaskScores[],
  options: BootstrapOptions,
): PairedDifference | null {
  const paired = own.flatMap(({ task, metric, units }) => {
    const other = base.find((b) => b.task === task)?.units;
    const names = [...units.keys()].filter((name) => other?.has(name) === true);
    const of = (all: ReadonlyMap<string, Unit> | undefined): Unit[] =>
      names.flatMap((name) => all?.get(name) ?? []);
    return names.length === 0 ? [] : [{ metric, own: of(units), base: of(other) }];
  });
  if (paired.length === 0) return null;
  const estimate = mean(
    paired.map(({ metric, own: a, base: b }) => {
      const strata = strataOf(a).length;
      return share(metric, scoreOf(metric, a), strata) - share(metric, scoreOf(metric, b), strata);
    }),
  );
  const each = paired.map(({ metric, own: a, base: b }, place) => {
    const [first = new Float64Array(), second] = resampledShares(metric, [a, b], place, options);
    return first.map((score, resample) => score - (second?.[resample] ?? NaN));
  });
  return differenceInterval(estimate, meanOfTasks(each), options);
}

/** Strata of one task and tasks are drawn apart: a task has fewer strata than that. */
const STREAMS_OF_A_TASK = 10_000;

function resampledShares(
  metric: Metric,
  systems: readonly (readonly Unit[])[],
  task: number,
  options: BootstrapOptions,
): Float64Array[] {
  const strata = strataOf(systems[0] ?? []).length;
  const scores = resampledScores(metric, systems, { ...options, stream: task * STREAMS_OF_A_TASK });
  return scores.map((of) => of.map((score) => share(metric, score, strata)));
}

function meanOfTasks(each: readonly Float64Array[]): Float64Array {
  const [first = new Float64Array()] = each;
  return first.map((_, resample) => mean(each.map((scores) => scores[resample] ?? NaN)));
}

/** How often a reply begins with "yes" where "no" is right. */
function hallucination(results: readonly Result[]): number | null {
  const absent = results.filter(
    ({ answers }) => answers.length > 0 && answers.every((answer) => normalizeText(answer) === 'no'),
  );
  if (absent.length === 0) return null;
  return mean(absent.map(({ prediction }) => (/^yes\b/u.test(normalizeText(prediction)) ? 1 : 0)));
}

function agreement(
  tasks: readonly Task[],
  results: readonly Result[],
  reference: ReadonlyMap<string, Result>,
): number | null {
  const metrics = new Map(tasks.map(({ name, metric }) => [name, findMetric(metric)]));
  const same = results.flatMap((r) => {
    const [other, metric] = [reference.get(sampleName(r)), metrics.get(r.task)];
    if (other === undefined || metric === undefined) return [];
    return [sameMeaning(meaningOf(metric, r), meaningOf(metric, other)) ? 1 : 0];
  });
  return same.length === 0 ? null : mean(same);
}

function kindOf({ pruning, imageScale }: Condition): PointKind {
  if (pruning !== null) return methodName(pruning);
  return imageScale === 1 ? 'unpruned' : 'downsample';
}
