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
  numbered,
  placed,
  scoreOf,
  strataCount,
  unitsOf,
  type Metric,
  type Units,
} from './metrics/metric.js';
import { normalizeText } from './metrics/exact-match.js';
import { agreement } from './paired.js';
import { paretoFront } from './pareto.js';
import type { ResultTable, TaskResults } from './results/table.js';
import { isShare, samplesFor, wholePlaces } from './score.js';
import {
  differenceInterval,
  percentileInterval,
  type BootstrapOptions,
  type Interval,
  type PairedDifference,
} from './statistics/bootstrap.js';
import { holm } from './statistics/holm.js';
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
  results: ResultTable,
  options: BootstrapOptions = {},
): readonly Point[] {
  const higherIsBetter = directionOf(tasks);
  const under = ({ name }: Condition): TaskResults[] => tasks.map((task) => results.of(task.name, name));
  const base = conditions.find((c) => c.pruning === null && c.imageScale === 1);
  const baseResults = base === undefined ? [] : under(base);
  const numbers = new UnitNumbers();
  const whole = base === undefined ? [] : scoresOf(tasks, results, base, numbers);
  const baseCost = costOf(baseResults, baseResults);
  const points = seedGroups(conditions).flatMap(([name, members]): Point[] => {
    const [first] = members;
    const seeds = members.map((c) => (c === base ? whole : scoresOf(tasks, results, c, numbers)));
    const own = overSeeds(tasks, seeds);
    if (first === undefined || own.length === 0) return [];
    const each = members.map(under);
    const isBase = first === base;
    const cost = costOf(each.flat(), baseResults);
    const small = first.pruning === null ? null : downsampledCondition(first.pruning.ratio);
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
        split: isBase || small === null ? null : splitOf(first, each, baseResults, under(small)),
        breakEvenTokens: isBase || whole.length === 0 ? null : breakEven(cost, baseCost),
        hallucination: hallucination(each.flat()),
        loyalty: isBase ? null : loyalty(tasks, each, baseResults),
        samples: own.reduce((sum, { units }) => sum + units.count, 0),
        seeds: members.length,
        bySeed: seeds.map(macroScore),
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

/** The score of each point on one task alone, with its interval, by the points' names. */
export function taskIntervals(
  task: Task,
  conditions: readonly Condition[],
  results: ResultTable,
  options: BootstrapOptions = {},
): ReadonlyMap<string, Interval> {
  const numbers = new UnitNumbers();
  const each = seedGroups(conditions).flatMap(([name, members]): [string, Interval][] => {
    const own = overSeeds(
      [task],
      members.map((condition) => scoresOf([task], results, condition, numbers)),
    );
    return own.length === 0 ? [] : [[name, scoreInterval(own, options)]];
  });
  return new Map(each);
}

/** Conditions that differ by their seed only, under their common name. */
function seedGroups(conditions: readonly Condition[]): [string, Condition[]][] {
  return [...groupBy(conditions, ({ name }) => name.replace(/-s\d+$/, ''))];
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

/** The split by downsampling to as few tokens: task by task, of each seed, of the unpruned model, of the smaller image. */
function splitOf(
  { pruning }: Condition,
  each: readonly (readonly TaskResults[])[],
  unpruned: readonly TaskResults[],
  small: readonly TaskResults[],
): NonNullable<Point['split']> | null {
  if (pruning === null || pruning.tokens !== undefined || small.every(({ rows }) => rows.length === 0))
    return null;
  const sides = { difficult: { sum: 0, count: 0 }, easy: { sum: 0, count: 0 } };
  for (const seed of each)
    for (const [task, own] of seed.entries()) {
      const [whole, other] = [scoresByName(unpruned[task]), scoresByName(small[task])];
      own.rows.forEach((row, place) => {
        const name = own.names[place] ?? -1;
        const [score, small] = [own.table.score(row), other.get(name) ?? NaN];
        if (whole.get(name) !== 1 || Number.isNaN(score) || Number.isNaN(small)) return;
        const side = sides[small === 1 ? 'easy' : 'difficult'];
        side.sum += score;
        side.count++;
      });
    }
  const side = ({ sum, count }: { readonly sum: number; readonly count: number }): Side => ({
    score: count === 0 ? null : sum / count,
    samples: Math.round(count / each.length),
  });
  return { difficult: side(sides.difficult), easy: side(sides.easy) };
}

function scoresByName(results: TaskResults | undefined): ReadonlyMap<number, number> {
  const scores = new Map<number, number>();
  results?.rows.forEach((row, place) => scores.set(results.names[place] ?? -1, results.table.score(row)));
  return scores;
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

/** A task's units under one condition, or the means of several seeds. */
interface TaskScores {
  readonly task: string;
  readonly metric: Metric;
  readonly units: Units;
  /** The number of each unit, the same under every condition. */
  readonly names: readonly number[];
  /** The number of each unit's first sample, rising. */
  readonly order: readonly number[];
}

/** Numbers of units by the samples that they are made of. */
class UnitNumbers {
  readonly #numbers = new Map<string, number>();

  of(task: string, samples: readonly number[]): number {
    const name = `${task}\n${[...samples].sort((a, b) => a - b).join()}`;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

/** Tasks without results are left out, the others come by name. */
function scoresOf(
  tasks: readonly Task[],
  table: ResultTable,
  condition: Condition,
  numbers: UnitNumbers,
): TaskScores[] {
  const scored = tasks.flatMap(({ name: task, metric: given }): TaskScores[] => {
    const metric = findMetric(given);
    const results = table.of(task, condition.name);
    const all = samplesFor(metric, results);
    const places = wholePlaces(metric, all);
    const usable = placed(all, places);
    if (usable.length === 0) return [];
    const units = unitsOf(metric, usable);
    const nameAt = (sample: number): number => results.names[places?.[sample] ?? sample] ?? -1;
    const members = Array.from({ length: units.count }, (_, i) => units.samples?.[i]?.map(nameAt));
    const names = members.map((own, i) => (own === undefined ? nameAt(i) : numbers.of(task, own)));
    const order = members.map((own, i) => (own === undefined ? nameAt(i) : Math.min(...own)));
    return [{ task, metric, units, names, order }];
  });
  return scored.sort((a, b) => (a.task < b.task ? -1 : 1));
}

/** The means of the units of several seeds. */
function overSeeds(tasks: readonly Task[], seeds: readonly (readonly TaskScores[])[]): readonly TaskScores[] {
  const [first = []] = seeds;
  if (seeds.length === 1) return first;
  const merged = tasks.flatMap(({ name }) => {
    const each = seeds.flatMap((scores) => scores.filter(({ task }) => task === name));
    return each[0] === undefined ? [] : [meanUnits(each, each[0])];
  });
  return merged.sort((a, b) => (a.task < b.task ? -1 : 1));
}

function meanUnits(each: readonly TaskScores[], { task, metric, units: { width } }: TaskScores): TaskScores {
  const found = new Map<
    number,
    {
      readonly in: Units;
      readonly at: number;
      readonly order: number;
      readonly sum: Float64Array;
      count: number;
    }
  >();
  for (const { units, names, order } of each)
    names.forEach((name, at) => {
      let unit = found.get(name);
      if (unit === undefined) {
        unit = { in: units, at, order: order[at] ?? 0, sum: new Float64Array(width), count: 0 };
        found.set(name, unit);
      }
      for (let column = 0; column < width; column++)
        unit.sum[column] = (unit.sum[column] ?? 0) + (units.values[width * at + column] ?? NaN);
      unit.count++;
    });
  const sorted = [...found].sort(([, a], [, b]) => a.order - b.order);
  const all = sorted.map(([, unit]) => unit);
  const values = new Float64Array(width * all.length);
  all.forEach(({ sum, count }, i) => {
    sum.forEach((value, column) => (values[width * i + column] = value / count));
  });
  const belongs = (to: 'strata' | 'clusters'): Units['strata'] =>
    each.some(({ units }) => units[to] === null)
      ? null
      : numbered(all.length, (i) => {
          const own = all[i]?.in[to];
          return own?.names[own.of[all[i]?.at ?? -1] ?? -1] ?? '';
        });
  const shared = { strata: belongs('strata'), clusters: belongs('clusters') };
  return {
    ...{ task, metric, names: sorted.map(([name]) => name), order: all.map(({ order }) => order) },
    units: { count: all.length, width, values, samples: null, ...shared },
  };
}

/** Some of the units. */
function picked({ units, names, order, ...task }: TaskScores, places: readonly number[]): TaskScores {
  const { width } = units;
  const values = new Float64Array(width * places.length);
  places.forEach((place, i) => {
    values.set(units.values.subarray(width * place, width * (place + 1)), width * i);
  });
  const some = (all: Units['strata']): Units['strata'] =>
    all === null ? null : numbered(places.length, (i) => all.names[all.of[places[i] ?? -1] ?? -1] ?? '');
  const own = { strata: some(units.strata), clusters: some(units.clusters) };
  return {
    ...task,
    names: places.map((place) => names[place] ?? -1),
    order: places.map((place) => order[place] ?? -1),
    units: { count: places.length, width, values, samples: null, ...own },
  };
}

function shareOf({ metric, units }: TaskScores): number {
  return share(metric, scoreOf(metric, units), strataCount(units));
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
  if (tasks.every(({ metric, units }) => isShare(metric, units))) {
    const each = tasks.map((scores) => ({
      score: shareOf(scores),
      ...wilsonInterval(shareOf(scores), scores.units.count),
    }));
    const half = (side: 'low' | 'high'): number =>
      Math.hypot(...each.map((one) => one[side] - one.score)) / tasks.length;
    return { estimate, low: estimate - half('low'), high: estimate + half('high') };
  }
  const each = tasks.map(({ metric, units }, place) => resampledShares(metric, [units], place, options));
  return percentileInterval(estimate, meanOfTasks(each.flatMap(([own]) => own ?? [])), options);
}

/** The difference over the samples that both have, drawn in pairs. */
function difference(
  own: readonly TaskScores[],
  base: readonly TaskScores[],
  options: BootstrapOptions,
): PairedDifference | null {
  const paired = own.flatMap((scores) => {
    const other = base.find(({ task }) => task === scores.task);
    return other === undefined ? [] : pairOf(scores, other);
  });
  if (paired.length === 0) return null;
  const estimate = mean(paired.map(([a, b]) => shareOf(a) - shareOf(b)));
  const each = paired.map(([a, b], place) => {
    const [first = new Float64Array(), second] = resampledShares(
      a.metric,
      [a.units, b.units],
      place,
      options,
    );
    return first.map((score, resample) => score - (second?.[resample] ?? NaN));
  });
  return differenceInterval(estimate, meanOfTasks(each), options);
}

/** The units that both have; none where they have none in common. */
function pairOf(own: TaskScores, base: TaskScores): [TaskScores, TaskScores][] {
  if (own.names.length === base.names.length && own.names.every((name, i) => name === base.names[i]))
    return [[own, base]];
  const places = new Map(base.names.map((name, place) => [name, place]));
  const common = [...own.names.keys()].filter((place) => places.has(own.names[place] ?? -1));
  if (common.length === 0) return [];
  const others = common.map((place) => places.get(own.names[place] ?? -1) ?? -1);
  return [[picked(own, common), picked(base, others)]];
}

/** Strata of one task and tasks are drawn apart: a task has fewer strata than that. */
const STREAMS_OF_A_TASK = 10_000;

function resampledShares(
  metric: Metric,
  systems: readonly Units[],
  task: number,
  options: BootstrapOptions,
): Float64Array[] {
  const [first] = systems;
  const strata = first === undefined ? 0 : strataCount(first);
  const scores = resampledScores(metric, systems, { ...options, stream: task * STREAMS_OF_A_TASK });
  return scores.map((of) => of.map((score) => share(metric, score, strata)));
}

function meanOfTasks(each: readonly Float64Array[]): Float64Array {
  const [first = new Float64Array()] = each;
  return first.map((_, resample) => mean(each.map((scores) => scores[resample] ?? NaN)));
}

/** How often a reply begins with "yes" where "no" is right. */
function hallucination(results: readonly TaskResults[]): number | null {
  const isNo = new Map<number, boolean>();
  let [absent, seen] = [0, 0];
  for (const { table, rows } of results)
    for (const row of rows) {
      const id = table.answersId(row);
      let no = isNo.get(id);
      if (no === undefined) {
        const answers = table.answers(row);
        no = answers.length > 0 && answers.every((answer) => normalizeText(answer) === 'no');
        isNo.set(id, no);
      }
      if (!no) continue;
      absent++;
      if (/^yes\b/u.test(normalizeText(table.prediction(row)))) seen++;
    }
  return absent === 0 ? null : seen / absent;
}

/** The share of samples, of all tasks and seeds, on which it says what the unpruned model says. */
function loyalty(
  tasks: readonly Task[],
  each: readonly (readonly TaskResults[])[],
  unpruned: readonly TaskResults[],
): number | null {
  let [same, of] = [0, 0];
  for (const seed of each)
    for (const [place, own] of seed.entries()) {
      const [task, base] = [tasks[place], unpruned[place]];
      if (task === undefined || base === undefined) continue;
      const counted = agreement(findMetric(task.metric), own, base);
      same += counted.same;
      of += counted.of;
    }
  return of === 0 ? null : same / of;
}

function kindOf({ pruning, imageScale }: Condition): PointKind {
  if (pruning !== null) return methodName(pruning);
  return imageScale === 1 ? 'unpruned' : 'downsample';
}
