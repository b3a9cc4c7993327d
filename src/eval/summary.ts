/** The summary of a run: scores, loyalty, costs and differences, by task and condition, and what ran where. */
import { arch, cpus, platform, totalmem } from 'node:os';
import { version } from '../version.js';
import type { AnswererIdentity, Condition } from './answerer.js';
import type { DatasetRevision } from './datasets/revision.js';
import { costOf, type CellCost } from './cost.js';
import { scoreAgainst, type PairedComparison } from './paired.js';
import type { AnsweringOptions } from './result.js';
import type { ResultTable, TaskResults } from './results/table.js';
import type { Sampling } from './sampling.js';
import type { TaskScore } from './score.js';
import type { Shard } from './shard.js';
import type { Skipped } from './skips.js';
import type { Task } from './tasks/task.js';

/** A task's results under one condition, compared with the unpruned model's where that has run. */
export interface Cell extends TaskScore, PairedComparison {
  readonly task: string;
  readonly condition: string;
  readonly cost: CellCost;
}

export interface Summary {
  readonly model: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly hardware: Readonly<Record<string, string | number>>;
  readonly seed: number;
  /** False if the run was ended before it was through. */
  readonly complete: boolean;
  readonly conditions: readonly Condition[];
  readonly tasks: readonly Task[];
  /** Which dataset each task read, at which revision. */
  readonly datasets?: Readonly<Record<string, DatasetRevision>>;
  readonly cells: readonly Cell[];
  readonly skipped: { readonly count: number; readonly first: readonly Skipped[] };
  /** What a reader of the numbers has to know: an empty data set, fewer samples than asked for, … */
  readonly notes: readonly string[];
  readonly about: Readonly<Record<string, unknown>>;
}

export interface SummaryInput {
  readonly identity: AnswererIdentity;
  readonly answering: AnsweringOptions;
  readonly tasks: readonly Task[];
  readonly conditions: readonly Condition[];
  readonly results: ResultTable;
  readonly skipped: Summary['skipped'];
  readonly notes: readonly string[];
  readonly datasets: NonNullable<Summary['datasets']>;
  readonly complete: boolean;
  readonly seed: number;
  readonly limit: number | null;
  /** How the limit was met. */
  readonly sampling?: Sampling;
  /** Which part of a run it is. */
  readonly shard?: Shard & { readonly window: number };
  readonly about: Readonly<Record<string, unknown>>;
  /** What kind of processor answered; left out where parts of a run had several. */
  readonly processorClass?: string;
}

/** Summarises results. Says nothing of when they were made, so equal results have equal summaries. */
export function summarize(input: SummaryInput): Summary {
  const { identity, tasks, conditions, seed } = input;
  const base = conditions.find((c) => c.pruning === null && c.imageScale === 1);
  return {
    model: identity.model,
    options: {
      ...identity.options,
      ...input.answering,
      limit: input.limit,
      ...(input.sampling === undefined ? {} : { sampling: input.sampling }),
      ...(input.shard === undefined ? {} : { shard: input.shard }),
    },
    versions: { fastv: version, node: process.version, ...identity.versions },
    hardware: {
      cpu: cpus()[0]?.model ?? 'unknown',
      ...(input.processorClass === undefined ? {} : { processorClass: input.processorClass }),
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${platform()} ${arch()}`,
    },
    seed,
    complete: input.complete,
    conditions,
    tasks,
    datasets: input.datasets,
    cells: tasks.flatMap((task) =>
      conditions.map((condition) => {
        const of = (name: string): TaskResults => input.results.of(task.name, name);
        // the unpruned model itself is compared with nothing
        const unpruned = base === undefined || base === condition ? null : of(base.name);
        return cell(task, condition, of(condition.name), unpruned, seed);
      }),
    ),
    skipped: input.skipped,
    notes: input.notes,
    about: input.about,
  };
}

function cell(
  task: Task,
  condition: Condition,
  results: TaskResults,
  base: TaskResults | null,
  seed: number,
): Cell {
  return {
    task: task.name,
    condition: condition.name,
    ...scoreAgainst(task.metric, results, base, seed),
    cost: costOf([results], base === null ? [] : [base]),
  };
}
