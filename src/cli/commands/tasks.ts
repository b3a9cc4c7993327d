/** `fastv tasks`: what `--tasks` takes. */
import { Command } from 'commander';
import { addOutputOptions } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function tasksCommand(terminal: Terminal): Command {
  const command = new Command('tasks').action(async () => {
    const { tasks } = await import('../actions/tasks.js');
    tasks(terminal);
  });
  return addOutputOptions(command);
}
