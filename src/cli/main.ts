// The program: one file a command beside this one; here they are only gathered, and errors become exit codes.
import { Command, CommanderError } from 'commander';
import { FastvError } from '../errors.js';
import { version } from '../version.js';
import { analyzeCommand } from './analyze.js';
import { benchCommand } from './bench.js';
import { chatCommand } from './chat.js';
import { costCommand } from './cost.js';
import { quantizeCommand } from './quantize.js';
import { demoCommand } from './demo.js';
import { evalCommand } from './eval.js';
import { inspectCommand } from './inspect.js';
import { reportCommand } from './report.js';
import { rewriteCommand } from './rewrite.js';
import { runCommand } from './run.js';
import { scenesCommand } from './scenes.js';
import { sweepCommand } from './sweep.js';

/** Exit codes: 0 ok, 1 refused input, 2 usage. */
export const EXIT = { ok: 0, refused: 1, usage: 2 } as const;

/** The whole program, for `main` and for tests. */
export function program(): Command {
  const root = new Command('fastv')
    .description('FastV for ONNX: prune image tokens inside vision-language models')
    .version(version)
    .showHelpAfterError('(add --help for the options)');
  for (const command of [
    runCommand(),
    chatCommand(),
    demoCommand(),
    rewriteCommand(),
    inspectCommand(),
    costCommand(),
    benchCommand(),
    quantizeCommand(),
    scenesCommand(),
    evalCommand(),
    sweepCommand(),
    reportCommand(),
    analyzeCommand(),
  ])
    root.addCommand(command);
  return root;
}

/**
 * Runs one command line.
 * @param argv the arguments after the program's name
 * @returns the exit code; nothing is thrown for what a user can cause
 */
export async function main(argv: readonly string[]): Promise<number> {
  const root = program();
  for (const command of [root, ...root.commands]) command.exitOverride();
  try {
    await root.parseAsync([...argv], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof FastvError) {
      report(error, argv.includes('--json'));
      return error.code === 'invalid-option' ? EXIT.usage : EXIT.refused;
    }
    const system = fileSystemError(error);
    if (system !== undefined) {
      report(system, argv.includes('--json'));
      return EXIT.refused;
    }
    throw error;
  }
}

function report(error: FastvError, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ error })}\n`);
    return;
  }
  const lines = [`error: ${error.message}`];
  if (error.where !== undefined) lines.push(`  where: ${error.where}`);
  if (error.hint !== undefined) lines.push(`  hint: ${error.hint}`);
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** A full disk, a missing file or a forbidden folder is the user's to mend: no stack trace. */
function fileSystemError(error: unknown): FastvError | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined;
  const path = 'path' in error && typeof error.path === 'string' ? { where: error.path } : {};
  return new FastvError('io', error.message, { ...path, cause: error });
}
