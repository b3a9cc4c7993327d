/** `fastv eval`: tasks under one condition, beside the unpruned model. */
import { Command, Option } from 'commander';
import { prunedCondition, UNPRUNED, type Strategy } from '../eval/answerer.js';
import { runEvaluation } from '../eval/runner.js';
import type { Summary } from '../eval/summary.js';
import { GROUPS, TASKS } from '../eval/tasks/index.js';
import {
  addEvalOptions,
  endedEarly,
  openModel,
  runOptions,
  tasksOf,
  type EvalFlags,
} from './eval-options.js';
import { natural, share } from './options.js';

interface Flags extends EvalFlags {
  readonly layer: number;
  readonly ratio: number;
  readonly strategy: Strategy;
  readonly seed: number;
  readonly baseline: boolean;
}

/** The command, to be added to the program. */
export function evalCommand(): Command {
  return addEvalOptions(
    new Command('eval')
      .description('score a model on tasks with pruning, and beside it without')
      .option('--layer <k>', 'K: the layer from which on only kept tokens are seen', natural, 2)
      .option(
        '--ratio <r>',
        'R: the share of image tokens to drop; 0 runs the original model only',
        share,
        0.5,
      )
      .addOption(
        new Option('--strategy <strategy>', 'how image tokens are ranked')
          .choices(['attention', 'random', 'grid'])
          .default('attention'),
      )
      .option('--seed <n>', 'seed of --strategy random', natural, 0)
      .option('--no-baseline', 'do not run the unpruned model (there is no loyalty then)'),
  )
    .addHelpText(
      'after',
      `\nTasks: ${[...TASKS.keys()].filter((n) => !n.startsWith('scenes-')).join(', ')}, scenes-<family>\nGroups: ${Object.keys(GROUPS).join(', ')}`,
    )
    .action(async (flags: Flags) => {
      const tasks = await tasksOf(flags);
      const pruned =
        flags.ratio === 0 ? [] : [prunedCondition(flags.layer, flags.ratio, flags.strategy, flags.seed)];
      const conditions = flags.baseline || flags.ratio === 0 ? [UNPRUNED, ...pruned] : pruned;
      const model = await openModel(flags);
      const { options, end } = runOptions(flags, tasks);
      try {
        const summary = await runEvaluation(model, { ...options, conditions });
        console.log(flags.json === true ? JSON.stringify(summary) : summaryTable(summary));
        if (!summary.complete) throw endedEarly();
      } finally {
        end();
        await model.close?.();
      }
    });
}

/** A summary as a table, one line a task and condition. */
export function summaryTable(summary: Summary): string {
  const percent = (v: number | null): string => (v === null || Number.isNaN(v) ? '—' : (100 * v).toFixed(1));
  const inUnit = (v: number, unit: 'percent' | 'points'): string =>
    unit === 'percent' ? percent(v) : v.toFixed(1);
  const rows = summary.cells.map((cell) => [
    cell.task,
    cell.condition,
    cell.metric,
    inUnit(cell.score, cell.unit),
    cell.interval === null
      ? ''
      : `[${inUnit(cell.interval.low, cell.unit)}, ${inUnit(cell.interval.high, cell.unit)}]`,
    percent(cell.loyalty),
    percent(cell.cost.flopsRatio),
    cell.cost.prefillMs.toFixed(1),
    String(cell.samples),
  ]);
  const head = [
    'task',
    'condition',
    'metric',
    'score',
    '95% interval',
    'loyalty %',
    'FLOPs %',
    'prefill ms',
    'samples',
  ];
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]?.length ?? 0)));
  const lines = [head, ...rows].map((r) =>
    r
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  if (summary.skipped.count > 0)
    lines.push(`${summary.skipped.count} samples were skipped; see summary.json`);
  lines.push(...summary.notes);
  return lines.join('\n');
}
