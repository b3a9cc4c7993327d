// The boundary: a command line in, an exit code out. Whatever goes wrong becomes one error, said once.
import { CommanderError, type Command } from 'commander';
import type { FastvError } from '../errors.js';
import { COMMANDS, loadCommand, program } from './registry.js';
import { Terminal } from './terminal.js';
import { failureOf } from './failure.js';

export { program };

/** Exit codes: 0 ok, 1 refused input, 2 usage. */
export const EXIT = { ok: 0, refused: 1, usage: 2 } as const;

/**
 * Runs one command line.
 * @param argv the arguments after the program's name
 * @returns the exit code; nothing is thrown for what a user can cause
 */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = new Terminal({ json: has(argv, '--json'), quiet: has(argv, '--quiet') });
  try {
    const [root, words] = await programFor(argv, terminal);
    await root.parseAsync([...words], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const failure = failureOf(error);
    report(failure, terminal);
    return failure.code === 'invalid-option' ? EXIT.usage : EXIT.refused;
  }
}

/** Whether the words before `--` have a flag. */
function has(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes(flag);
}

/** The program with the command that a command line is about, and the words to parse. */
async function programFor(
  argv: readonly string[],
  terminal: Terminal,
): Promise<[Command, readonly string[]]> {
  const words = argv.filter((word) => !word.startsWith('-'));
  const name = words[0] === 'help' ? words[1] : words[0];
  const entry = COMMANDS.find((command) => command.name === name);
  const root = program(entry === undefined ? [] : [await loadCommand(entry, terminal)]);
  for (const command of [root, ...root.commands]) {
    // errors are said by `report`, and once
    command.exitOverride().configureOutput({ outputError: () => undefined });
  }
  // of an unknown command there is no help: the name alone is refused
  if (entry === undefined && name !== undefined) return [root, [name]];
  return [root, argv];
}

/** Help and version are asked for; help is also shown where no command is given. */
function isHelp({ code }: CommanderError): boolean {
  return code === 'commander.help' || code === 'commander.helpDisplayed' || code === 'commander.version';
}

/** Says what went wrong: one document with `--json`, unless there is one already; lines on stderr else. */
function report(error: FastvError, terminal: Terminal): void {
  if (terminal.json && !terminal.printed) {
    terminal.result({ error }, () => '');
    return;
  }
  const lines = [`error: ${error.message}`];
  if (error.where !== undefined) lines.push(`  where: ${error.where}`);
  if (error.hint !== undefined) lines.push(`  hint: ${error.hint}`);
  process.stderr.write(`${lines.join('\n')}\n`);
}
