/** What `fastv compare` does. */
import { comparisonCsv, latexTable, markdownTable, runsRows } from '../../analysis/runs-table.js';
import { compareRuns, type RunsComparison } from '../../eval/compare-runs.js';
import { table } from '../table.js';
import { ownMetrics } from '../own-metrics.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv compare`. */
export interface CompareFlags {
  readonly metricModule?: readonly string[];
  readonly format: 'table' | 'markdown' | 'csv' | 'latex';
  readonly base?: string;
  readonly bootstrapSeed: number;
}

/** Prints runs side by side. */
export async function compare(
  runs: readonly string[],
  { base, bootstrapSeed: seed, format, metricModule }: CompareFlags,
  terminal: Terminal,
): Promise<void> {
  await ownMetrics(metricModule);
  const comparison = await compareRuns(runs, { seed, ...(base === undefined ? {} : { base }) });
  terminal.result(comparison, () => written(comparison, format));
  if (format === 'table') terminal.note(`against ${comparison.base}; *: p < 0.05 (Holm)`);
}

function written(comparison: RunsComparison, format: CompareFlags['format']): string {
  if (format === 'csv') return comparisonCsv(comparison);
  const rows = runsRows(comparison);
  if (format === 'markdown') return markdownTable(rows);
  return format === 'latex' ? latexTable(rows) : table(rows, { right: 'all-but-first' }).join('\n');
}
