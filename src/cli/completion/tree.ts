/** What there is to complete, read from the commands themselves. */
import type { Command } from 'commander';

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

/** What there is to complete of these commands. */
export function completionTree(commands: readonly Command[]): readonly CompletionCommand[] {
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
