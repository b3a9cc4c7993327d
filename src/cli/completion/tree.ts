/** What there is to complete, read from the commands themselves. */
import { loadCommands } from '../registry.js';
import type { Terminal } from '../terminal.js';

/** An option. */
export interface CompletionOption {
  readonly long: string;
  readonly short?: string;
  readonly about: string;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  /** The values, where there are few. */
  readonly values: readonly string[];
}

/** A command. */
export interface CompletionCommand {
  readonly name: string;
  readonly about: string;
  readonly options: readonly CompletionOption[];
  /** The words of its first argument, where there are few. */
  readonly words: readonly string[];
}

/** Every command with its options. */
export async function completionTree(terminal: Terminal): Promise<readonly CompletionCommand[]> {
  const commands = await loadCommands(terminal);
  return commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    words: command.registeredArguments[0]?.argChoices ?? [],
    options: command.options
      .filter(({ hidden, long }) => !hidden && long !== undefined)
      .map(({ long, short, description, required, optional, argChoices = [] }) => ({
        long: long ?? '',
        ...(short === undefined ? {} : { short }),
        about: description,
        takesValue: required || optional,
        values: argChoices,
      })),
  }));
}
