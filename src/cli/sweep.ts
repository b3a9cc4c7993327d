/** `fastv sweep`: a grid over K, R, strategy and seeds with its baselines, or a ready-made recipe. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Grid } from '../eval/grid.js';
import type { Point } from '../eval/points.js';
import { findRecipe, RECIPES } from '../eval/recipes/index.js';
import { runSweep } from '../eval/sweep.js';
import { DEFAULT_STRATEGY, strategies, type StrategyName } from '../strategies/index.js';
import {
  addEvalOptions,
  endedEarly,
  commas,
  numbers,
  openModel,
  runOptions,
  tasksOf,
  type EvalFlags,
} from './eval-options.js';

const NAMES = strategies.map(({ name }) => name);

interface Flags extends EvalFlags {
  readonly recipe?: string;
  readonly layers?: readonly number[];
  readonly ratios?: readonly number[];
  readonly strategies?: readonly StrategyName[];
  readonly seeds?: readonly number[];
  readonly baselineLayers?: readonly number[];
  readonly downsample: boolean;
}

/** The command, to be added to the program. */
export function sweepCommand(): Command {
  return addEvalOptions(
    new Command('sweep')
      .description('score a model over a grid of K, R and strategies, beside the baselines')
      .addOption(new Option('--recipe <name>', 'a ready-made sweep').choices([...RECIPES.keys()]))
      .option('--layers <ks>', 'K, with commas between', numbers)
      .option('--ratios <rs>', 'R, with commas between', numbers)
      .option('--strategies <names>', `of ${NAMES.join(', ')}`, strategiesOf)
      .option('--seeds <ns>', 'of the random baseline, three or more', numbers)
      .option('--baseline-layers <ks>', 'K at which the baselines are run (default: every K)', numbers)
      .option('--no-downsample', 'leave images scaled down to as few tokens out'),
  )
    .addHelpText(
      'after',
      `\nRecipes:\n${[...RECIPES.values()].map((r) => `  ${r.name.padEnd(20)} ${r.about}`).join('\n')}`,
    )
    .action(async (flags: Flags) => {
      const recipe = flags.recipe === undefined ? undefined : findRecipe(flags.recipe);
      const grid: Grid = {
        layers: flags.layers ?? recipe?.grid.layers ?? [2],
        ratios: flags.ratios ?? recipe?.grid.ratios ?? [0.5],
        strategies: flags.strategies ?? recipe?.grid.strategies ?? [DEFAULT_STRATEGY],
        seeds: flags.seeds ?? recipe?.grid.seeds ?? [0, 1, 2],
        ...baselinesOf(flags, recipe?.grid),
      };
      const tasks = await tasksOf(flags, recipe?.tasks);
      const model = await openModel(flags);
      const { options, end } = runOptions(flags, tasks, flags.limit ?? recipe?.limit);
      const about = {
        ...options.about,
        ...(recipe === undefined ? {} : { recipe: recipe.name, question: recipe.about }),
      };
      try {
        const { summary, points, front } = await runSweep(model, { ...options, about, grid });
        console.log(
          flags.json === true ? JSON.stringify({ summary, points, front }) : pointsTable(points, front),
        );
        if (!summary.complete) throw endedEarly();
      } finally {
        end();
        await model.close?.();
      }
    });
}

function baselinesOf(flags: Flags, recipe?: Grid): Pick<Grid, 'baselineLayers' | 'downsample'> {
  const layers = flags.baselineLayers ?? (flags.layers === undefined ? recipe?.baselineLayers : undefined);
  const downsample = flags.downsample && (recipe?.downsample ?? true);
  return { ...(layers === undefined ? {} : { baselineLayers: layers }), downsample };
}

function strategiesOf(value: string): StrategyName[] {
  return commas(value).map((name) => {
    const found = NAMES.find((s) => s === name);
    if (found === undefined) throw new InvalidArgumentError(`one of ${NAMES.join(', ')} is needed`);
    return found;
  });
}

/** Points as a table; those on the Pareto front have a star. */
export function pointsTable(points: readonly Point[], front: readonly string[]): string {
  const percent = (v: number | null): string => (v === null ? '—' : (100 * v).toFixed(1));
  const rows = points.map((p) => [
    front.includes(p.name) ? `* ${p.name}` : `  ${p.name}`,
    percent(p.score.estimate),
    `[${percent(p.score.low)}, ${percent(p.score.high)}]`,
    p.difference === null ? '' : `${percent(p.difference.estimate)} (p ${p.difference.pValue.toFixed(3)})`,
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
    'against unpruned',
    'loyalty %',
    'FLOPs %',
    'KV %',
    'prefill ms',
    'samples',
  ];
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]?.length ?? 0)));
  return [head, ...rows]
    .map((r) =>
      r
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
