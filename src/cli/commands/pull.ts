/** `fastv pull`: a model from the hub into Transformers.js's cache. */
import { Command, Option } from 'commander';
import type { PullFlags } from '../actions/pull.js';
import { addOptions, addOutputOptions, dtypeOption } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function pullCommand(terminal: Terminal): Command {
  const command = new Command('pull')
    .argument('<name>', 'a model on the Hugging Face hub; fastv models lists some')
    .action(async (name: string, flags: PullFlags) => {
      const { pull } = await import('../actions/pull.js');
      await pull(name, flags, terminal);
    });
  addOptions(command, [
    dtypeOption().default('fp32'),
    new Option('--revision <name>', 'a branch, tag or commit').default('main'),
  ]);
  return addOutputOptions(command).addHelpText(
    'after',
    `
To ask for a model by its name is to allow the network. What has arrived stays when the command is ended: the same
command goes on from there. Read from the environment as by Hugging Face's own tools: HF_ENDPOINT, HF_TOKEN, HF_HOME,
HF_HUB_OFFLINE, HTTPS_PROXY, NO_PROXY.`,
  );
}
