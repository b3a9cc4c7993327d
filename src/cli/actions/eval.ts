/** What `fastv eval` does. */
import type { Command } from 'commander';
import {
  atSizes,
  prunedCondition,
  tokensCondition,
  UNPRUNED,
  type TokenTarget,
} from '../../eval/answerer.js';
import { refuseEmptyCells } from '../../eval/empty-cells.js';
import { FEW_SAMPLES, scoreText } from '../../eval/score-text.js';
import type { Summary } from '../../eval/summary.js';
import { endedEarly, evaluateAsFlagged, refuseIdleForTasks, runOptions, tasksOf } from '../evaluation.js';
import type { EvalFlags } from '../options/evaluation.js';
import { methodOf, type MethodFlags } from '../options/strategy.js';
import { strategyFile } from '../strategy-file.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv eval`. */
export interface EvalCommandFlags extends EvalFlags, MethodFlags {
  readonly layer: number;
  readonly ratio: number;
  readonly budget?: number;
  readonly mass?: number;
  readonly meanTokens?: number;
  readonly strategyFile?: string;
  readonly seed?: number;
  readonly baseline: boolean;
}

/**
 * Scores a model on tasks.
 * @param command knows which flags were given
 */
export async function evaluate(flags: EvalCommandFlags, terminal: Terminal, command: Command): Promise<void> {
  const { layer, ratio, seed = 0 } = flags;
  const tasks = await tasksOf(flags);
  refuseIdleForTasks(command, flags, tasks, flags.limit);
  const file = flags.strategyFile === undefined ? undefined : await strategyFile(flags.strategyFile);
  const method = { ...methodOf(flags), ...(file && { strategy: file.strategy }) };
  const tokens = tokensOf(flags);
  const pruned =
    tokens !== undefined
      ? [tokensCondition(layer, tokens, method, seed)]
      : ratio === 0 && method.schedule === undefined
        ? []
        : [prunedCondition(layer, ratio, method, seed)];
  const own = flags.baseline || pruned.length === 0 ? [UNPRUNED, ...pruned] : pruned;
  const conditions = atSizes(flags.imageSizes ?? [], own);
  const options = runOptions(flags, tasks, terminal);
  const records = file && { strategy: file.digest };
  const { summary } = await evaluateAsFlagged(
    { ...flags, ...(records && { records }) },
    { ...options, conditions },
  );
  terminal.result(summary, () => summaryTable(summary));
  sayOf(summary, options.out, terminal);
  if (!summary.complete) throw endedEarly();
  refuseEmptyCells(summary);
}

function tokensOf({ budget, mass, meanTokens }: EvalCommandFlags): TokenTarget | undefined {
  if (budget !== undefined) return { keep: budget };
  if (mass !== undefined) return { mass };
  return meanTokens === undefined ? undefined : { mean: meanTokens };
}

/** What a reader of the numbers should know, and what can be done next. */
export function sayOf(summary: Summary, out: string, terminal: Terminal): void {
  for (const note of summary.notes) terminal.note(note);
  if (summary.cells.some(({ samples }) => samples < FEW_SAMPLES))
    terminal.note(`fewer than ${FEW_SAMPLES} samples of a task say little: look at the intervals`);
  terminal.note(`results are in ${out}; fastv report ${out} makes a page of them`);
}

/** A summary as a table, one line a task and condition. */
export function summaryTable(summary: Summary): string {
  const percent = (v: number | null): string => (v === null || Number.isNaN(v) ? '—' : (100 * v).toFixed(1));
  const rows = summary.cells.map((cell) => [
    cell.task,
    cell.condition,
    cell.metric,
    scoreText(cell.score, cell.unit),
    cell.interval === null
      ? ''
      : `[${scoreText(cell.interval.low, cell.unit)}, ${scoreText(cell.interval.high, cell.unit)}]`,
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
  const lines = table([head, ...rows]);
  if (summary.skipped.count > 0)
    lines.push(`${summary.skipped.count} samples were skipped; see summary.json`);
  return lines.join('\n');
}
