/**
 * Any runs side by side: other models, other versions, another method's answers. Every condition of every run is a system;
 * each is compared with one of them on the samples that both have answered.
 */
import { FastvError } from '../errors.js';
import { readingRuns } from './foreign-run.js';
import { readText } from '../files/read.js';
import { join } from 'node:path';
import { mean } from '../statistics.js';
import { costOf, type CellCost } from './cost.js';
import { findMetric } from './metrics/index.js';
import { scoreAgainst, type PairedComparison } from './paired.js';
import { ResultTable, type TaskResults } from './results/table.js';
import type { TaskScore } from './score.js';
import { holm } from './statistics/holm.js';
import type { Summary } from './summary.js';
import { addResults, resultsFile } from './sweep.js';
import type { Task } from './tasks/task.js';

/** A condition of a run. Seeds of a random baseline are systems of their own. */
export interface System {
  /** The condition's name, with the run's before it where there are several. */
  readonly name: string;
  readonly run: string;
  readonly condition: string;
  /** By the task's name; tasks that it has not answered are absent. */
  readonly scores: Readonly<Record<string, SystemScore>>;
  /** Mean over tasks of its scores over the base's; null for the base, and without a common task. */
  readonly relative: number | null;
  readonly cost: CellCost;
}

/** What a system's answers to a task are worth, and against the base. */
export interface SystemScore extends TaskScore, PairedComparison {
  /** The p-value of the difference, adjusted for all differences of the comparison (Holm); null for the base. */
  readonly pHolm: number | null;
}

/** Systems by tasks. */
export interface RunsComparison {
  readonly tasks: readonly {
    readonly name: string;
    readonly metric: string;
    readonly unit: TaskScore['unit'];
  }[];
  readonly base: string;
  readonly systems: readonly System[];
}

interface Answers {
  readonly name: string;
  readonly run: string;
  readonly condition: string;
  of(task: string): TaskResults;
}

/**
 * Compares runs.
 * @param folders of the runs
 * @param base a system's name; default: the first run's unpruned model, else its first condition
 * @throws FastvError `io` for a folder without a run, `invalid-option` for a base that is none of the systems,
 * `invalid-input` for tasks of one name that are scored by different metrics
 */
export function compareRuns(
  folders: readonly string[],
  options: { readonly base?: string; readonly seed?: number } = {},
): Promise<RunsComparison> {
  return readingRuns(folders, () => compared(folders, options));
}

async function compared(
  folders: readonly string[],
  { base, seed = 0 }: { readonly base?: string; readonly seed?: number },
): Promise<RunsComparison> {
  const summaries: Summary[] = [];
  for (const folder of folders) summaries.push(await readSummary(folder));
  const names = runNames(folders);
  const tasks = tasksOf(summaries);
  // one table for all runs, so that samples of one name are known as one
  const table = new ResultTable(folders.map(resultsFile));
  for (const [run, summary] of summaries.entries())
    await addResults(table, run, folders[run] ?? '', summary, (condition) => `${run}\n${condition}`);
  const all = summaries.flatMap(({ conditions }, i): Answers[] => {
    const run = names[i] ?? '';
    return conditions.map(({ name }) => ({
      name: summaries.length === 1 ? name : `${run}: ${name}`,
      run,
      condition: name,
      of: (task) => table.of(task, `${i}\n${name}`),
    }));
  });
  const reference = baseOf(all, base);
  const systems = all.map((one) => systemOf(one, reference, tasks, seed));
  return {
    tasks: tasks.map(({ name, metric }) => {
      const { label, unit } = findMetric(metric);
      return { name, metric: label, unit };
    }),
    base: reference.name,
    systems: adjusted(systems),
  };
}

/** A summary is some pages of JSON. */
const MAX_SUMMARY = 2 ** 23;

/** The summary of a run. @throws FastvError `io` if there is none */
export async function readSummary(folder: string): Promise<Summary> {
  const where = join(folder, 'summary.json');
  try {
    return JSON.parse(await readText(where, MAX_SUMMARY)) as Summary;
  } catch (cause) {
    throw new FastvError('io', 'there is no run here, or it has not ended yet', {
      where,
      hint: 'give the --output folder of fastv eval or fastv sweep',
      cause,
    });
  }
}

/** Folders by as many of their last parts as tell them apart. */
function runNames(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => folder.split(/[/\\]/u).filter((part) => part !== '' && part !== '.'));
  const named = (length: number): string[] => parts.map((own) => own.slice(-length).join('/'));
  const longest = Math.max(...parts.map((own) => own.length));
  for (let length = 1; length <= longest; length++)
    if (new Set(named(length)).size === folders.length) return named(length);
  throw new FastvError('invalid-option', 'a run is named twice', { where: folders.join(', ') });
}

/** The tasks of all runs, each once. */
function tasksOf(summaries: readonly Summary[]): Task[] {
  const found = new Map<string, Task>();
  for (const task of summaries.flatMap(({ tasks }) => tasks)) {
    const known = found.get(task.name) ?? task;
    if (findMetric(known.metric).name !== findMetric(task.metric).name) {
      throw new FastvError('invalid-input', 'a task is scored by two metrics', { where: task.name });
    }
    found.set(task.name, known);
  }
  return [...found.values()];
}

function baseOf(all: readonly Answers[], wanted: string | undefined): Answers {
  const [first] = all;
  const found =
    wanted === undefined
      ? (all.find(({ condition, run }) => run === first?.run && condition === 'unpruned') ?? first)
      : all.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  throw new FastvError('invalid-option', `there is no system ${JSON.stringify(wanted)}`, {
    where: '--base',
    hint: `one of ${all.map(({ name }) => name).join(', ')}`,
  });
}

function systemOf(one: Answers, base: Answers, tasks: readonly Task[], seed: number): System {
  const isBase = one === base;
  const scores = tasks.flatMap(({ name, metric }): [string, SystemScore][] => {
    const results = one.of(name);
    if (results.rows.length === 0) return [];
    const scored = scoreAgainst(metric, results, isBase ? null : base.of(name), seed);
    return [[name, { ...scored, pHolm: null }]];
  });
  const ratios = scores.flatMap(([, { score, difference }]) =>
    difference === null ? [] : [score / (score - difference.estimate)],
  );
  const { name, run, condition } = one;
  return {
    ...{ name, run, condition },
    scores: Object.fromEntries(scores),
    relative: isBase || ratios.length === 0 ? null : mean(ratios),
    cost: costOf(
      tasks.map((task) => one.of(task.name)),
      tasks.map((task) => base.of(task.name)),
    ),
  };
}

/** With p-values adjusted for all differences that are shown. */
function adjusted(systems: readonly System[]): System[] {
  const each = systems.flatMap(({ scores }) =>
    Object.values(scores).flatMap(({ difference }) => (difference === null ? [] : [difference.pValue])),
  );
  const values = holm(each);
  return systems.map((system) => ({
    ...system,
    scores: Object.fromEntries(
      Object.entries(system.scores).map(([task, score]) => [
        task,
        score.difference === null ? score : { ...score, pHolm: values.shift() ?? null },
      ]),
    ),
  }));
}
