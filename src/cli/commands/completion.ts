/** `fastv completion`: what a shell needs to complete fastv's commands and options. */
import { Argument, Command } from 'commander';
import { addOutputOptions } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** Shells that are known. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The command, to be added to the program. */
export function completionCommand(terminal: Terminal): Command {
  const command = new Command('completion')
    .addArgument(new Argument('<shell>', 'the shell to complete in').choices(SHELLS))
    .action(async (shell: (typeof SHELLS)[number]) => {
      const { completion } = await import('../actions/completion.js');
      await completion(shell, terminal);
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
