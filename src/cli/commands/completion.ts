/** `fastv completion`: what a shell needs to complete fastv's commands and options. */
import { Argument, Command } from 'commander';
import { SHELLS, type Shell } from '../completion/shells.js';
import { addOutputOptions } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/**
 * The command, to be added to the program.
 * @param commands all commands, this one too
 */
export function completionCommand(terminal: Terminal, commands: () => Promise<readonly Command[]>): Command {
  const command = new Command('completion')
    .addArgument(new Argument('<shell>', 'the shell to complete in').choices(SHELLS))
    .action(async (shell: Shell) => {
      const { completion } = await import('../actions/completion.js');
      completion(shell, await commands(), terminal);
    });
  return addOutputOptions(command).addHelpText(
    'after',
    `
Examples:
  source <(fastv completion bash)                                      # in ~/.bashrc
  source <(fastv completion zsh)                                       # in ~/.zshrc, after compinit
  fastv completion fish > ~/.config/fish/completions/fastv.fish`,
  );
}
