/** `fastv models`: models on the hub that fastv prunes. */
import { Command } from 'commander';
import type { ModelsFlags } from '../actions/models.js';
import { addOptions, addOutputOptions, networkOption } from '../options/option.js';
import { refuseIdle } from '../parse/idle.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function modelsCommand(terminal: Terminal): Command {
  const command = new Command('models')
    .argument('[name]', 'ask the hub how many bytes a model has, by dtype (needs --allow-network)')
    .action(async (name: string | undefined, flags: ModelsFlags) => {
      if (name === undefined)
        refuseIdle(
          command,
          '--allow-network',
          'the list is part of fastv',
          'name a model to ask the hub about',
        );
      const { models } = await import('../actions/models.js');
      await models(name, flags, terminal);
    });
  return addOutputOptions(addOptions(command, [networkOption('the list of files')]));
}
