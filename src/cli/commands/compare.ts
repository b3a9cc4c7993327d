/** `fastv compare`: any runs side by side. */
import { Command, Option } from 'commander';
import type { CompareFlags } from '../actions/compare.js';
import { addOutputOptions, metricModuleOption } from '../options/option.js';
import { refuseIdle } from '../parse/idle.js';
import { wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function compareCommand(terminal: Terminal): Command {
  const command = new Command('compare')
    .argument('<runs...>', 'the --output folders of fastv eval or fastv sweep')
    .addOption(
      new Option('--format <format>', 'how the table is written')
        .choices(['table', 'markdown', 'csv', 'latex'])
        .default('table'),
    )
    .option('--base <system>', "what the others are compared with (default: the first run's unpruned model)")
    .addOption(
      new Option('--bootstrap-seed <n>', 'seed of the confidence intervals')
        .argParser(wholeNumber('--bootstrap-seed'))
        .default(0),
    )
    .addHelpText('after', '\nA star: the difference to the base is no chance (p < 0.05, adjusted by Holm).')
    .addOption(metricModuleOption())
    .action(async (runs: string[], flags: CompareFlags) => {
      if (terminal.json) refuseIdle(command, '--format', 'with --json the table is JSON', 'give one of both');
      const { compare } = await import('../actions/compare.js');
      await compare(runs, flags, terminal);
    });
  return addOutputOptions(command);
}
