/** `fastv merge`: the parts of a run as one. */
import { Command } from 'commander';
import { addOutput, addOutputOptions, metricModuleOption } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function mergeCommand(terminal: Terminal): Command {
  const command = new Command('merge')
    .argument('<folders...>', 'the --output folders of all parts, in any order')
    .addOption(metricModuleOption())
    .action(
      async (
        folders: string[],
        flags: { readonly output: string; readonly metricModule?: readonly string[] },
      ) => {
        const { merge } = await import('../actions/merge.js');
        await merge(folders, flags, terminal);
      },
    );
  addOutput(command, { placeholder: 'folder', about: 'where the whole run goes' });
  return addOutputOptions(command);
}
