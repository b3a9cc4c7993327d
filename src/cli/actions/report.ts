/** What `fastv report` does. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeReport } from '../../analysis/write-report.js';
import { datasetOptions } from '../dataset-options.js';
import { prepareOutputFolder } from '../output-path.js';
import { ownMetrics } from '../own-metrics.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv report`. */
export interface ReportFlags {
  readonly metricModule?: readonly string[];
  readonly title?: string;
  readonly data?: readonly string[];
  readonly images?: string;
  readonly failures?: string;
}

/** Writes the report of a run. */
export async function report(folder: string, flags: ReportFlags, terminal: Terminal): Promise<void> {
  await ownMetrics(flags.metricModule);
  await stat(join(folder, 'summary.json')).then(
    () => prepareOutputFolder(folder, 'folder'),
    () => undefined, // no run: the reader says so
  );
  const written = await writeReport(folder, {
    ...(flags.title === undefined ? {} : { title: flags.title }),
    ...(flags.failures === undefined ? {} : { failuresOf: flags.failures }),
    data: datasetOptions(flags),
  });
  terminal.result({ written }, () => written.join('\n'));
}
