/**
 * Two models on the same questions, one after the other, so that only one is in memory: what a change of a model's
 * weights does to its answers. The questions are asked by the same runner as in every evaluation.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNPRUNED, type Answerer } from './answerer.js';
import { mean } from '../statistics.js';
import { sampleMetric } from './metrics/metric.js';
import { pairedComparison, type PairedComparison } from './paired.js';
import type { Result } from './result.js';
import { evaluate, type Run, type RunOptions } from './runner.js';
import type { Summary } from './summary.js';
import type { Task } from './tasks/task.js';

/** Scores before and after, in the metric's own unit; differences are after − before. */
export interface BeforeAfter extends PairedComparison {
  readonly before: number;
  readonly after: number;
  readonly samples: number;
}

/** One task. */
export interface TaskBeforeAfter extends BeforeAfter {
  readonly task: string;
  readonly metric: string;
}

export interface ModelComparison {
  readonly tasks: readonly TaskBeforeAfter[];
  /** Over the scored samples of all tasks, each with the same weight; null if there are none (captions only). */
  readonly mean: BeforeAfter | null;
  /** False if it was ended before it was through; then there are no tasks here. */
  readonly complete: boolean;
}

export type ComparisonOptions = Omit<RunOptions, 'out' | 'conditions'>;

/**
 * Asks two models the same questions, unpruned.
 * @param before opens the first model, `after` the second once the first is closed
 * @throws FastvError as `runEvaluation` does
 */
export async function compareModels(
  before: () => Promise<Answerer>,
  after: () => Promise<Answerer>,
  options: ComparisonOptions,
): Promise<ModelComparison> {
  const folder = await mkdtemp(join(tmpdir(), 'fastv-compare-'));
  try {
    const first = await runOne('before', before, join(folder, 'before'), options);
    if (!first.summary.complete) return { tasks: [], mean: null, complete: false };
    const second = await runOne('after', after, join(folder, 'after'), options);
    if (!second.summary.complete) return { tasks: [], mean: null, complete: false };
    const seed = options.seed ?? 0;
    return {
      tasks: options.tasks.map((task) => taskOf(task, first, second, seed)),
      mean: meanOf(first.results, second.results, seed),
      complete: true,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runOne(
  name: string,
  open: () => Promise<Answerer>,
  out: string,
  options: ComparisonOptions,
): Promise<Run> {
  const answerer = await open();
  try {
    return await evaluate(answerer, { ...options, out, conditions: [{ ...UNPRUNED, name }] });
  } finally {
    await answerer.close?.();
  }
}

function taskOf({ name: task, metric }: Task, before: Run, after: Run, seed: number): TaskBeforeAfter {
  const of = ({ results }: Run): Result[] => results.filter((r) => r.task === task);
  const cell = ({ summary }: Run): Summary['cells'][number] | undefined =>
    summary.cells.find((c) => c.task === task);
  const [first, second] = [cell(before), cell(after)];
  return {
    task,
    metric: first?.metric ?? '',
    before: first?.score ?? NaN,
    after: second?.score ?? NaN,
    samples: second?.samples ?? 0,
    ...pairedComparison(metric, of(after), of(before), seed),
  };
}

/** Samples of several tasks, whatever their metrics: each counts the same. */
const SAMPLE_MEAN = sampleMetric({
  name: 'mean',
  label: 'mean',
  about: 'the mean of the scores of all samples',
  scoreReply: () => ({ score: null, choice: null }),
});

function meanOf(before: readonly Result[], after: readonly Result[], seed: number): BeforeAfter | null {
  const scored = (results: readonly Result[]): Result[] => results.filter(({ score }) => score !== null);
  const [first, second] = [scored(before), scored(after)];
  if (first.length === 0 || second.length === 0) return null;
  const score = (results: readonly Result[]): number => mean(results.map((r) => r.score ?? 0));
  return {
    before: score(first),
    after: score(second),
    samples: second.length,
    ...pairedComparison(SAMPLE_MEAN, second, first, seed),
  };
}
