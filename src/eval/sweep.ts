/** A sweep: an evaluation over a grid of K, R and strategies, with its points and its Pareto front. */
import { join } from 'node:path';
import type { Answerer } from './answerer.js';
import { writeAtomically } from '../files/atomic.js';
import { eachLine } from './files.js';
import { gridConditions, type Grid } from './grid.js';
import { frontOf, sweepPoints, type Point } from './points.js';
import { sampleName, type Result } from './result.js';
import { SharedTexts } from './shared-texts.js';
import { evaluate, type Run, type RunOptions } from './runner.js';
import type { Summary } from './summary.js';

export interface SweepOptions extends Omit<RunOptions, 'conditions'> {
  readonly grid: Grid;
}

export interface Sweep {
  readonly summary: Summary;
  readonly points: readonly Point[];
  /** Names of the points on the Pareto front of FLOPs and score, by rising FLOPs. */
  readonly front: readonly string[];
}

/**
 * Runs a sweep, or the rest of one; `points.json` lies beside the run's own files.
 * @throws FastvError as `runEvaluation` and `gridConditions` do
 */
export async function runSweep(answerer: Answerer, options: SweepOptions): Promise<Sweep> {
  return sweepWith((run) => evaluate(answerer, run), options);
}

/**
 * The same with whatever runs an evaluation: the workers of a queue.
 * @throws FastvError as `run` and `gridConditions` do
 */
export async function sweepWith(
  run: (options: RunOptions) => Promise<Run>,
  { grid, ...options }: SweepOptions,
): Promise<Sweep> {
  const conditions = gridConditions(grid);
  const { summary, results } = await run({ ...options, conditions });
  const points = sweepPoints(options.tasks, conditions, results, { seed: options.seed ?? 0 });
  const front = frontOf(points).map((p) => p.name);
  await writeAtomically(join(options.out, 'points.json'), `${JSON.stringify({ points, front }, null, 2)}\n`, {
    own: true,
  });
  return { summary, points, front };
}

/** The results of a run's own conditions and tasks, the last of each sample: the file may hold others too. */
export async function readResults(out: string, summary: Summary): Promise<readonly Result[]> {
  const path = join(out, 'results.jsonl');
  const conditions = new Set(summary.conditions.map((c) => c.name));
  const tasks = new Set(summary.tasks.map((t) => t.name));
  const texts = new SharedTexts();
  const last = new Map<string, Result>();
  await eachLine(path, (value) => {
    if (!conditions.has((value as Result).condition) || !tasks.has((value as Result).task)) return;
    const result = texts.share(value as Result);
    last.set(`${result.condition}\n${sampleName(result)}`, result);
  });
  return inOrder([...last.values()]);
}

/** Results by task and sample: how questions were batched decides the order in the file, and must decide nothing else. */
function inOrder(results: readonly Result[]): Result[] {
  const natural = new Intl.Collator('en', { numeric: true });
  const names = [...new Set(results.map(sampleName))].sort(natural.compare);
  const places = new Map(names.map((name, place) => [name, place]));
  const place = (result: Result): number => places.get(sampleName(result)) ?? 0;
  return [...results].sort((a, b) => place(a) - place(b));
}
