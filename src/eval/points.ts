/**
 * A sweep's results as points to be plotted: one for each K, R and strategy, the seeds of the random
 * baseline taken together, scores averaged over tasks.
 */
import type { StrategyName } from '../strategies/index.js';
import type { Condition } from './answerer.js';
import {
  bootstrapInterval,
  pairedBootstrap,
  type BootstrapOptions,
  type Interval,
} from './metrics/bootstrap.js';
import { mean } from './metrics/caption.js';
import { normalizeText } from './metrics/exact-match.js';
import { paretoFront } from './pareto.js';
import type { Result } from './result.js';

/** What a point stands for. */
export type PointKind = StrategyName | 'unpruned' | 'downsample';

export interface Point {
  /** The condition's name without its seed. */
  readonly name: string;
  readonly kind: PointKind;
  readonly layer: number | null;
  readonly ratio: number;
  /** Mean over tasks of the mean score of their samples, with its interval over samples. */
  readonly score: Interval;
  /** Score less the unpruned model's on the same samples; null where that has not run. */
  readonly difference: (Interval & { readonly pValue: number }) | null;
  /** Share of samples on which it says what the unpruned model says. */
  readonly loyalty: number | null;
  /** Samples, seeds counted once. */
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
 * The points of a sweep. Samples without a score of their own (captions) do not count.
 * @param results of the conditions, on any tasks
 */
export function sweepPoints(
  conditions: readonly Condition[],
  results: readonly Result[],
  options: BootstrapOptions = {},
): readonly Point[] {
  const byCondition = new Map<string, Result[]>();
  for (const result of results) {
    if (result.score === null) continue;
    const group = byCondition.get(result.condition);
    if (group === undefined) byCondition.set(result.condition, [result]);
    else group.push(result);
  }
  const base = conditions.find((c) => c.pruning === null && c.imageScale === 1);
  const baseResults = base === undefined ? [] : (byCondition.get(base.name) ?? []);
  const reference = new Map(baseResults.map((r) => [sampleKey(r), r]));
  const baseFlops = meanOf(baseResults, (r) => r.cost.flops);
  const baseKv = meanOf(baseResults, (r) => r.cost.kvBytes);

  const groups = new Map<string, Condition[]>();
  for (const condition of conditions) {
    const name = condition.name.replace(/-s\d+$/, '');
    groups.set(name, [...(groups.get(name) ?? []), condition]);
  }
  return [...groups].flatMap(([name, members]): Point[] => {
    const [first] = members;
    const all = members.flatMap((c) => byCondition.get(c.name) ?? []);
    if (first === undefined || all.length === 0) return [];
    const samples = averaged(all);
    const paired = samples.flatMap((s) => {
      const other = reference.get(s.key)?.score ?? null;
      return other === null ? [] : [{ ...s, other }];
    });
    const said = all.flatMap((r) => {
      const other = reference.get(sampleKey(r));
      return other === undefined
        ? []
        : [normalizeText(r.prediction) === normalizeText(other.prediction) ? 1 : 0];
    });
    const ratioOf = (own: number | null, whole: number | null): number | null =>
      own === null || whole === null || whole === 0 ? null : own / whole;
    return [
      {
        name,
        kind: kindOf(first),
        layer: first.pruning?.layer ?? null,
        ratio: first.pruning?.ratio ?? 1 - first.imageScale ** 2,
        score: bootstrapInterval(samples, { resamples: 1000, ...options }, macroMean),
        difference:
          first === base || paired.length === 0
            ? null
            : pairedBootstrap(
                paired.map((s) => s.score),
                paired.map((s) => s.other),
                { resamples: 1000, ...options },
              ),
        loyalty: first === base || said.length === 0 ? null : mean(said),
        samples: samples.length,
        seeds: members.length,
        bySeed: members.map((c) => macroMean(averaged(byCondition.get(c.name) ?? []))),
        flopsRatio: ratioOf(
          meanOf(all, (r) => r.cost.flops),
          baseFlops,
        ),
        kvRatio: ratioOf(
          meanOf(all, (r) => r.cost.kvBytes),
          baseKv,
        ),
        prefillMs: median(all.map((r) => r.cost.prefillMs)),
        keptImageTokens: meanOf(all, (r) => r.cost.keptImageTokens) ?? 0,
        byTask: Object.fromEntries([...tasksOf(samples)].map(([task, scores]) => [task, mean(scores)])),
      },
    ];
  });
}

/** The points that no other beats in both FLOPs and score. */
export function frontOf(points: readonly Point[]): readonly Point[] {
  return paretoFront(
    points,
    (p) => p.flopsRatio ?? NaN,
    (p) => p.score.estimate,
  );
}

interface SampleScore {
  readonly key: string;
  readonly task: string;
  readonly score: number;
}

/** One score a sample: the mean over seeds. */
function averaged(results: readonly Result[]): readonly SampleScore[] {
  const samples = new Map<string, { task: string; scores: number[] }>();
  for (const result of results) {
    const key = sampleKey(result);
    const sample = samples.get(key) ?? { task: result.task, scores: [] };
    samples.set(key, sample);
    sample.scores.push(result.score ?? 0);
  }
  return [...samples].map(([key, { task, scores }]) => ({ key, task, score: mean(scores) }));
}

function tasksOf(samples: readonly SampleScore[]): Map<string, number[]> {
  const tasks = new Map<string, number[]>();
  for (const { task, score } of samples) {
    const scores = tasks.get(task);
    if (scores === undefined) tasks.set(task, [score]);
    else scores.push(score);
  }
  return tasks;
}

/** Every task counts the same, however many samples it has. */
function macroMean(samples: readonly SampleScore[]): number {
  return mean([...tasksOf(samples).values()].map(mean));
}

function kindOf({ pruning, imageScale }: Condition): PointKind {
  return pruning?.strategy ?? (imageScale === 1 ? 'unpruned' : 'downsample');
}

function sampleKey(result: Result): string {
  return `${result.task}\n${result.sample}`;
}

function meanOf(results: readonly Result[], of: (r: Result) => number | undefined): number | null {
  const values = results.map(of).filter((v) => v !== undefined);
  return values.length === 0 ? null : mean(values);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
