/** `fastv strategies`: what `--strategy` takes. */
import { Command } from 'commander';
import { addOutputOptions } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function strategiesCommand(terminal: Terminal): Command {
  const command = new Command('strategies').action(async () => {
    const { listStrategies } = await import('../actions/strategies.js');
    listStrategies(terminal);
  });
  return addOutputOptions(command);
}
