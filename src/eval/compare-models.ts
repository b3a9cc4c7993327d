/**
 * Two models on the same questions, one after the other, so that only one is in memory: what a change of a model's
 * weights does to its answers. The questions are asked by the same runner as in every evaluation.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNPRUNED, type Answerer } from './answerer.js';
import { eachLine } from './files.js';
import { sampleMetric } from './metrics/metric.js';
import { pairedComparison, type PairedComparison } from './paired.js';
import { sampleName, type Result } from './result.js';
import { ResultTable } from './results/table.js';
import { runEvaluation, type RunOptions } from './runner.js';
import { scoreTask } from './score.js';
import type { Summary } from './summary.js';
import { addResults, resultsFile } from './sweep.js';
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

/** What the two runs, and their conditions, are called. */
const BEFORE = 'before';
const AFTER = 'after';

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
    const first = await runOne(BEFORE, before, join(folder, BEFORE), options);
    if (!first.complete) return { tasks: [], mean: null, complete: false };
    const second = await runOne(AFTER, after, join(folder, AFTER), options);
    if (!second.complete) return { tasks: [], mean: null, complete: false };
    const seed = options.seed ?? 0;
    const results = new ResultTable();
    await addResults(results, 0, join(folder, BEFORE), first);
    await addResults(results, 1, join(folder, AFTER), second);
    return {
      tasks: options.tasks.map((task) => taskOf(task, [first, second], results, seed)),
      mean: await meanOf(folder, seed),
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
): Promise<Summary> {
  const answerer = await open();
  try {
    return await runEvaluation(answerer, { ...options, out, conditions: [{ ...UNPRUNED, name }] });
  } finally {
    await answerer.close?.();
  }
}

function taskOf(
  { name: task, metric }: Task,
  runs: readonly Summary[],
  results: ResultTable,
  seed: number,
): TaskBeforeAfter {
  const [first, second] = runs.map(({ cells }) => cells.find((c) => c.task === task));
  return {
    task,
    metric: first?.metric ?? '',
    before: first?.score ?? NaN,
    after: second?.score ?? NaN,
    samples: second?.samples ?? 0,
    ...pairedComparison(metric, results.of(task, AFTER), results.of(task, BEFORE), seed),
  };
}

/** Samples of several tasks, whatever their metrics: each counts the same. */
const SAMPLE_MEAN = sampleMetric({
  name: 'mean',
  label: 'mean',
  about: 'the mean of the scores of all samples',
  scoreReply: () => ({ score: null, choice: null }),
});

async function meanOf(folder: string, seed: number): Promise<BeforeAfter | null> {
  const all = new ResultTable();
  for (const name of [BEFORE, AFTER])
    await eachLine(resultsFile(join(folder, name)), ({ value }) => {
      const result = value as Result;
      if (result.score !== null) all.add({ ...result, task: '', sample: sampleName(result) });
    });
  const [first, second] = [all.of('', BEFORE), all.of('', AFTER)];
  if (first.rows.length === 0 || second.rows.length === 0) return null;
  return {
    before: scoreTask(SAMPLE_MEAN, first.samples(), seed).score,
    after: scoreTask(SAMPLE_MEAN, second.samples(), seed).score,
    samples: second.rows.length,
    ...pairedComparison(SAMPLE_MEAN, second, first, seed),
  };
}
