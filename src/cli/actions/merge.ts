/** What `fastv merge` does. */
import { refuseEmptyCells } from '../../eval/empty-cells.js';
import { mergeRuns } from '../../eval/merge.js';
import { prepareOutputFolder } from '../output-path.js';
import { ownMetrics } from '../own-metrics.js';
import type { Terminal } from '../terminal.js';
import { sayOf, summaryTable } from './eval.js';

/** Puts the parts of a run together. */
export async function merge(
  folders: readonly string[],
  { output, metricModule }: { readonly output: string; readonly metricModule?: readonly string[] },
  terminal: Terminal,
): Promise<void> {
  await ownMetrics(metricModule);
  await prepareOutputFolder(output);
  const summary = await mergeRuns(folders, output);
  terminal.result(summary, () => summaryTable(summary));
  sayOf(summary, output, terminal);
  refuseEmptyCells(summary);
}
