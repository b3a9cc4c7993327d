/** What `fastv merge` does. */
import { mergeRuns } from '../../eval/merge.js';
import { prepareOutputFolder } from '../output-path.js';
import type { Terminal } from '../terminal.js';
import { sayOf, summaryTable } from './eval.js';

/** Puts the parts of a run together. */
export async function merge(
  folders: readonly string[],
  { output }: { readonly output: string },
  terminal: Terminal,
): Promise<void> {
  await prepareOutputFolder(output);
  const summary = await mergeRuns(folders, output);
  terminal.result(summary, () => summaryTable(summary));
  sayOf(summary, output, terminal);
}
