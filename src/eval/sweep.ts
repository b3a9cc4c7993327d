/** A sweep: an evaluation over a grid of K, R and strategies, with its points and its Pareto front. */
import { join } from 'node:path';
import type { Answerer } from './answerer.js';
import { writeAtomically } from '../files/atomic.js';
import { refuseEmptyCells } from './empty-cells.js';
import { eachLine } from './files.js';
import { gridConditions, type Grid } from './grid.js';
import { frontOf, sweepPoints, type Point } from './points.js';
import type { Result } from './result.js';
import { ResultTable } from './results/table.js';
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
  const sweep = await sweepWith((run) => evaluate(answerer, run), options);
  refuseEmptyCells(sweep.summary);
  return sweep;
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

/** Where the results of a run lie. */
export function resultsFile(folder: string): string {
  return join(folder, 'results.jsonl');
}

/** The results of a run's own conditions and tasks: the file may hold others too. */
export async function readResults(folder: string, summary: Summary): Promise<ResultTable> {
  const table = new ResultTable([resultsFile(folder)]);
  await addResults(table, 0, folder, summary);
  return table;
}

/**
 * Adds a run's results to a table.
 * @param file the place of the run's file among the table's
 * @param nameOf what its conditions are called in the table
 */
export async function addResults(
  table: ResultTable,
  file: number,
  folder: string,
  summary: Summary,
  nameOf: (condition: string) => string = (condition) => condition,
): Promise<void> {
  const names = new Map(summary.conditions.map(({ name }) => [name, nameOf(name)]));
  const tasks = new Set(summary.tasks.map(({ name }) => name));
  await eachLine(resultsFile(folder), ({ value, from }) => {
    const result = value as Result;
    const condition = names.get(result.condition);
    if (condition !== undefined && tasks.has(result.task)) table.add(result, { file, from }, condition);
  });
}
