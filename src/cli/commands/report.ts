/** `fastv report`: a run's results as one HTML file and plots. */
import { Command } from 'commander';
import type { ReportFlags } from '../actions/report.js';
import { addOptions, addOutputOptions, dataOptions, metricModuleOption } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function reportCommand(terminal: Terminal): Command {
  const command = new Command('report')
    .argument('<folder>', 'the --output folder of fastv eval or fastv sweep')
    .option('--title <text>', 'what the report is headed')
    .option('--failures <condition>', 'the condition whose failures are shown')
    .addOption(metricModuleOption())
    .action(async (folder: string, flags: ReportFlags) => {
      const { report } = await import('../actions/report.js');
      await report(folder, flags, terminal);
    });
  return addOutputOptions(addOptions(command, dataOptions()));
}
