/** What `fastv sweep` does. */
import type { Command } from 'commander';
import type { Condition, FlopsOf, TokenTarget } from '../../eval/answerer.js';
import { refuseEmptyCells } from '../../eval/empty-cells.js';
import { gridConditions, type Grid } from '../../eval/grid.js';
import type { Point } from '../../eval/points.js';
import { findRecipe } from '../../eval/recipes/index.js';
import { checkRun } from '../../eval/run-options.js';
import { sweepWith } from '../../eval/sweep.js';
import {
  DEFAULT_STRATEGY,
  isSeeded,
  needsLayer,
  type Method,
  type Strategy,
} from '../../strategies/index.js';
import {
  endedEarly,
  evaluateAsFlagged,
  refuseIdleForTasks,
  runOptions,
  tasksOf,
  type BeforeRun,
} from '../evaluation.js';
import type { EvalFlags } from '../options/evaluation.js';
import { beforeLongRun } from '../long-run.js';
import { refuseIdle } from '../parse/idle.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';
import { sayOf } from './eval.js';

/** The flags of `fastv sweep`. */
export interface SweepFlags extends EvalFlags {
  readonly recipe?: string;
  readonly layers?: readonly number[];
  readonly ratios?: readonly number[];
  readonly budgets?: readonly number[];
  readonly masses?: readonly number[];
  readonly meanTokens?: readonly number[];
  readonly strategies?: readonly Method[];
  readonly seeds?: readonly number[];
  readonly baselineLayers?: readonly number[];
  readonly sameFlops?: readonly FlopsOf[];
  readonly downsample: boolean;
  readonly yes?: boolean;
}

/**
 * Scores a model over a grid.
 * @param command knows which flags were given
 */
export async function sweep(flags: SweepFlags, terminal: Terminal, command: Command): Promise<void> {
  const recipe = flags.recipe === undefined ? undefined : findRecipe(flags.recipe);
  const tokens: readonly TokenTarget[] = [
    ...(flags.budgets ?? []).map((keep) => ({ keep })),
    ...(flags.meanTokens ?? []).map((mean) => ({ mean })),
    ...(flags.masses ?? []).map((mass) => ({ mass })),
  ];
  const imageSizes = flags.imageSizes ?? recipe?.grid.imageSizes ?? [];
  const sameFlops = flags.sameFlops ?? recipe?.grid.sameFlops ?? [];
  const grid: Grid = {
    layers: flags.layers ?? recipe?.grid.layers ?? [2],
    ratios: flags.ratios ?? recipe?.grid.ratios ?? (tokens.length > 0 || sameFlops.length > 0 ? [] : [0.5]),
    tokens,
    imageSizes,
    sameFlops,
    strategies: flags.strategies ?? recipe?.grid.strategies ?? [DEFAULT_STRATEGY],
    seeds: flags.seeds ?? recipe?.grid.seeds ?? [0, 1, 2],
    ...baselinesOf(flags, recipe?.grid),
    ...(recipe?.grid.schedules && flags.strategies === undefined ? { schedules: recipe.grid.schedules } : {}),
  };
  const tasks = await tasksOf(flags, recipe?.tasks);
  const limit = flags.limit ?? recipe?.limit;
  const conditions = gridConditions(grid);
  refuseIdleForTasks(command, flags, tasks, limit);
  refuseIdleForGrid(command, flags, grid, conditions);
  // what makes no sense is refused before a model is loaded for it
  checkRun({ out: flags.output, tasks, conditions, ...(limit === undefined ? {} : { limit }) });
  const options = runOptions(flags, tasks, terminal, limit);
  const about = {
    ...options.about,
    ...(recipe === undefined ? {} : { recipe: recipe.name, question: recipe.about }),
  };
  const before: BeforeRun = (model, run) => beforeLongRun(model, run, terminal, flags.yes === true);
  const { summary, points, front } = await sweepWith((run) => evaluateAsFlagged(flags, run, before), {
    ...options,
    about,
    grid,
  });
  terminal.result({ summary, points, front }, () => pointsTable(points, front));
  sayOf(summary, options.out, terminal);
  if (!summary.complete) throw endedEarly();
  refuseEmptyCells(summary);
}

/** Refuses options that change nothing of this grid. */
function refuseIdleForGrid(
  command: Command,
  { queue }: SweepFlags,
  { layers, ratios, strategies, baselineLayers = [], imageSizes = [], sameFlops = [] }: Grid,
  conditions: readonly Condition[],
): void {
  if (conditions.every(({ pruning }) => pruning === null || !isSeeded(pruning.strategy)))
    refuseIdle(command, '--seeds', 'nothing is drawn at these K', 'leave it out');
  if (layers.every((k) => k === 0) && strategies.some((method) => needsLayer(nameOf(method))))
    refuseIdle(command, '--strategies', 'before layer 0 there is no attention to rank by', 'add --layers 2');
  if (baselineLayers.some((k) => !layers.includes(k)))
    refuseIdle(command, '--baseline-layers', 'K of the sweep are needed', 'name some of --layers');
  if (imageSizes.length < 2)
    refuseIdle(command, '--same-flops', 'there is one size of images', 'give two or more --image-sizes');
  if (ratios.length === 0 && sameFlops.length === 0)
    refuseIdle(command, '--no-downsample', 'images are scaled down for --ratios only', 'leave it out');
  if (queue !== undefined)
    refuseIdle(command, '--yes', 'with a queue nothing is estimated, and nobody asked', 'leave it out');
}

const nameOf = (method: Grid['strategies'][number]): string | Strategy =>
  typeof method === 'string' ? method : method.strategy;

function baselinesOf(flags: SweepFlags, recipe?: Grid): Pick<Grid, 'baselineLayers' | 'downsample'> {
  const layers = flags.baselineLayers ?? (flags.layers === undefined ? recipe?.baselineLayers : undefined);
  const downsample = flags.downsample && (recipe?.downsample ?? true);
  return { ...(layers === undefined ? {} : { baselineLayers: layers }), downsample };
}

/** Points as a table; those on the Pareto front have a star. */
function pointsTable(points: readonly Point[], front: readonly string[]): string {
  const percent = (v: number | null): string => (v === null ? '—' : (100 * v).toFixed(1));
  const rows = points.map((p) => [
    front.includes(p.name) ? `* ${p.name}` : `  ${p.name}`,
    percent(p.score.estimate),
    `[${percent(p.score.low)}, ${percent(p.score.high)}]`,
    p.difference === null
      ? ''
      : `${percent(p.difference.estimate)} (p ${(p.difference.pHolm ?? p.difference.pValue).toFixed(3)})`,
    percent(p.relative ?? null),
    p.worst === null || p.worst === undefined ? '' : `${p.worst.task} ${percent(p.worst.difference)}`,
    percent(p.loyalty),
    percent(p.flopsRatio),
    percent(p.kvRatio),
    p.prefillMs.toFixed(1),
    String(p.samples),
  ]);
  const head = [
    '  condition',
    'score %',
    '95% interval',
    'against unpruned (Holm)',
    'relative %',
    'worst task',
    'loyalty %',
    'FLOPs %',
    'KV %',
    'prefill ms',
    'samples',
  ];
  return table([head, ...rows]).join('\n');
}
