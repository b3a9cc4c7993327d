/** The summary of a run: scores, loyalty, costs and differences, by task and condition, and what ran where. */
import { arch, cpus, platform, totalmem } from 'node:os';
import { version } from '../version.js';
import type { AnswererIdentity, Condition } from './answerer.js';
import { mean } from './metrics/caption.js';
import { pairedComparison, type PairedComparison } from './paired.js';
import type { AnsweringOptions, Result } from './result.js';
import { scoreTask, type TaskScore } from './score.js';
import type { Task } from './tasks/task.js';

/** A sample that could not be used. */
export interface Skipped {
  readonly task: string;
  readonly where: string;
  readonly message: string;
}

/** A task's results under one condition, compared with the unpruned model's where that has run. */
export interface Cell extends TaskScore, PairedComparison {
  readonly task: string;
  readonly condition: string;
  readonly cost: CellCost;
}

/** What a cell cost: means over its samples, medians of times. */
export interface CellCost {
  readonly tokens: number;
  readonly imageTokens: number;
  readonly keptImageTokens: number;
  readonly visionMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly flops: number | null;
  readonly flopsRatio: number | null;
  readonly kvBytes: number | null;
  readonly kvRatio: number | null;
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
  readonly cells: readonly Cell[];
  readonly skipped: { readonly count: number; readonly first: readonly Skipped[] };
  readonly about: Readonly<Record<string, unknown>>;
}

export interface SummaryInput {
  readonly identity: AnswererIdentity;
  readonly answering: AnsweringOptions;
  readonly tasks: readonly Task[];
  readonly conditions: readonly Condition[];
  readonly results: readonly Result[];
  readonly skipped: readonly Skipped[];
  readonly complete: boolean;
  readonly seed: number;
  readonly limit: number | null;
  readonly about: Readonly<Record<string, unknown>>;
}

/** Summarises results. Says nothing of when they were made, so equal results have equal summaries. */
export function summarize(input: SummaryInput): Summary {
  const { identity, tasks, conditions, seed } = input;
  const groups = new Map<string, Result[]>();
  for (const result of input.results) {
    const name = `${result.task}\n${result.condition}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [result]);
    else group.push(result);
  }
  const of = (task: Task, condition: Condition): Result[] =>
    groups.get(`${task.name}\n${condition.name}`) ?? [];
  const base = conditions.find((c) => c.pruning === null && c.imageScale === 1);
  return {
    model: identity.model,
    options: { ...identity.options, ...input.answering, limit: input.limit },
    versions: { fastv: version, node: process.version, ...identity.versions },
    hardware: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${platform()} ${arch()}`,
    },
    seed,
    complete: input.complete,
    conditions,
    tasks,
    cells: tasks.flatMap((task) =>
      conditions.map((condition) => {
        const results = of(task, condition);
        return cell(
          task,
          condition,
          results,
          base === undefined || base === condition ? [] : of(task, base),
          seed,
        );
      }),
    ),
    skipped: { count: input.skipped.length, first: input.skipped.slice(0, 20) },
    about: input.about,
  };
}

function cell(
  task: Task,
  condition: Condition,
  results: readonly Result[],
  base: readonly Result[],
  seed: number,
): Cell {
  // an ended run may have cut one of MME's pairs in two
  const whole = task.metric === 'mme' ? pairsOf(results) : results;
  return {
    task: task.name,
    condition: condition.name,
    ...scoreTask(task.metric, whole, seed),
    ...pairedComparison(results, base, seed),
    cost: costOf(results),
  };
}

function pairsOf(results: readonly Result[]): Result[] {
  const count = new Map<string, number>();
  const name = (r: Result): string => `${r.category ?? ''}\n${r.group ?? ''}`;
  for (const r of results) count.set(name(r), (count.get(name(r)) ?? 0) + 1);
  return results.filter((r) => count.get(name(r)) === 2);
}

function costOf(results: readonly Result[]): CellCost {
  const costs = results.map((r) => r.cost);
  const meanOf = (of: (c: Result['cost']) => number | undefined): number | null => {
    const values = costs.map(of).filter((v) => v !== undefined);
    return values.length === 0 ? null : mean(values);
  };
  const flops = meanOf((c) => c.flops);
  const flopsUnpruned = meanOf((c) => c.flopsUnpruned);
  const kvBytes = meanOf((c) => c.kvBytes);
  const kvUnpruned = meanOf((c) => c.kvBytesUnpruned);
  return {
    tokens: meanOf((c) => c.tokens) ?? 0,
    imageTokens: meanOf((c) => c.imageTokens) ?? 0,
    keptImageTokens: meanOf((c) => c.keptImageTokens) ?? 0,
    visionMs: median(costs.map((c) => c.visionMs)),
    prefillMs: median(costs.map((c) => c.prefillMs)),
    decodeMs: median(costs.map((c) => c.decodeMs)),
    flops,
    flopsRatio:
      flops === null || flopsUnpruned === null || flopsUnpruned === 0 ? null : flops / flopsUnpruned,
    kvBytes,
    kvRatio: kvBytes === null || kvUnpruned === null || kvUnpruned === 0 ? null : kvBytes / kvUnpruned,
  };
}

/** The median; 0 of nothing. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}
