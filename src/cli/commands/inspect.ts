/** `fastv inspect`: what a decoder file is made of, and where a cut would fall. */
import { Command } from 'commander';
import { addOutputOptions } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function inspectCommand(terminal: Terminal): Command {
  const command = new Command('inspect')
    .argument('<file.onnx>', 'the decoder, or the folder of a model that fastv build made')
    .action(async (file: string) => {
      const { inspect } = await import('../actions/inspect.js');
      await inspect(file, terminal);
    });
  return addOutputOptions(command);
}
