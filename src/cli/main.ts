// The boundary: a command line in, an exit code out. Whatever goes wrong becomes one failure, said once.
import { CommanderError, type Command } from 'commander';
import { describeFailure, EXIT, failureOf } from './failure.js';
import { Interrupts } from './interrupt.js';
import { COMMANDS, loadCommand, program } from './registry.js';
import { Terminal } from './terminal.js';

export { EXIT, program };

/**
 * Runs one command line.
 * @param argv the arguments after the program's name
 * @returns the exit code; nothing is thrown
 */
export async function main(argv: readonly string[]): Promise<number> {
  const interrupts = new Interrupts((text) => process.stderr.write(`${text}\n`));
  const quiet = has(argv, '--quiet') || has(argv, '-q');
  const terminal = new Terminal({ json: has(argv, '--json'), quiet, interrupts });
  interrupts.listen();
  try {
    await Promise.race([parse(argv, terminal), interrupts.atOnce]);
    return interrupts.exitCode ?? EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    report(error, terminal);
    return interrupts.exitCode ?? failureOf(error).exitCode;
  } finally {
    interrupts.close();
  }
}

/** Whether the words before `--` have a flag. */
function has(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes(flag);
}

/** Parses the words and does what they say. */
async function parse(argv: readonly string[], terminal: Terminal): Promise<void> {
  const words = argv.filter((word) => !word.startsWith('-'));
  const name = words[0] === 'help' ? words[1] : words[0];
  const entry = COMMANDS.find((command) => command.name === name);
  const root = program(entry === undefined ? [] : [await loadCommand(entry, terminal)]);
  for (const command of [root, ...root.commands]) withoutOutput(command);
  // of an unknown command there is no help: the name alone is refused
  const unknown = entry === undefined && name !== undefined && name !== 'help';
  await root.parseAsync(unknown ? [name] : [...argv], { from: 'user' });
}

/** Errors are thrown, and said by {@link report}. */
function withoutOutput(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined });
}

/** Help and version are asked for; help is also shown where no command is given. */
function isHelp({ code }: CommanderError): boolean {
  return code === 'commander.help' || code === 'commander.helpDisplayed' || code === 'commander.version';
}

/** Says what went wrong: one document with `--json`, unless there is one already; lines on stderr else. */
function report(error: unknown, terminal: Terminal): void {
  if (process.env['FASTV_DEBUG'] !== undefined && error instanceof Error) {
    process.stderr.write(`${error.stack ?? error.message}\n`);
  }
  const failure = failureOf(error);
  const { code, message, where, hint } = failure;
  if (terminal.json && !terminal.printed)
    terminal.result({ error: { code, message, where, hint } }, () => '');
  else process.stderr.write(`${describeFailure(failure)}\n`);
}
