/**
 * Anything that was thrown, as one thing that a user can read: what was wrong, where, what to do, and the exit code.
 * A stack trace is for whoever asks for one: `FASTV_DEBUG=1`.
 */
import { CommanderError } from 'commander';
import { FastvError, type FastvErrorCode, type FastvErrorDetails } from '../errors.js';
import { fileCode, fileError } from '../files/file-error.js';
import { printable, printableLine } from '../printable.js';
import { reasonOf } from '../runtime/tell.js';
import { Interrupted } from './interrupt.js';
import { missingPackage } from './missing-package.js';

/** Exit codes. A signal's is 128 and its number, as shells have it. */
export const EXIT = { ok: 0, refused: 1, usage: 2, interrupted: 130 } as const;

/** What kind of failure it was; besides those of the library, those that only a program has. */
export type FailureCode = FastvErrorCode | 'interrupted' | 'internal';

/** A failure as it is reported. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  readonly where?: string;
  readonly hint?: string;
  readonly exitCode: number;
}

/** Options of the library that commands have too. */
const OPTIONS: ReadonlySet<string> = new Set(
  'layer ratio budget mass seed strategy weights merge preset mode device dtype'.split(' '),
);

/** What was thrown, to be reported. */
export function failureOf(error: unknown): Failure {
  if (error instanceof FastvError) {
    const usage = error.code === 'invalid-option';
    const json = error.toJSON();
    // the library names its own options, which are the command line's without the dashes
    const where = usage && OPTIONS.has(json.where ?? '') ? `--${json.where ?? ''}` : json.where;
    return { ...json, ...(where && { where }), exitCode: usage ? EXIT.usage : EXIT.refused };
  }
  if (error instanceof CommanderError) return usage(error);
  if (error instanceof Interrupted) {
    return failure('interrupted', error.message, { hint: error.hint }, error.exitCode);
  }
  const missing = missingPackage(error);
  if (missing !== undefined) return failureOf(missing);
  const path = pathOf(error);
  if (path !== undefined) return failureOf(fileError(path.written ? 'written' : 'read', path.path, error));
  const text = error instanceof Error ? error.message : String(error);
  if (isOnnxRuntime(text)) return failure('inference', `ONNX Runtime failed: ${reasonOf(error)}`);
  return failure('internal', `something is wrong inside fastv: ${reasonOf(error)}`, {
    hint: 'FASTV_DEBUG=1 shows where; please report it.',
  });
}

/** The lines on stderr. */
export function describeFailure({ message, where, hint }: Failure): string {
  return [
    `error: ${printable(message)}`,
    ...(where === undefined || where === '' ? [] : [`  where: ${printableLine(where)}`]),
    ...(hint === undefined ? [] : [`  hint: ${printable(hint)}`]),
  ].join('\n');
}

function failure(
  code: FailureCode,
  message: string,
  { where, hint }: { [key in keyof FastvErrorDetails]?: FastvErrorDetails[key] | undefined } = {},
  exitCode: number = EXIT.refused,
): Failure {
  return {
    code,
    message,
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
    exitCode,
  };
}

/** What commander refuses: `error: unknown option '--rato'`, with a suggestion on a line of its own. */
function usage({ message }: CommanderError): Failure {
  const [what = '', ...more] = message.replace(/^error: /u, '').split('\n');
  const hint = [...more, 'add --help for the options'].join(' ');
  return failure('invalid-option', what, { hint }, EXIT.usage);
}

/** The path of a file system's error; where it has none, the call has to do. */
function pathOf(error: unknown): { path: string; written: boolean } | undefined {
  if (fileCode(error) === undefined || !(error instanceof Error) || !('syscall' in error)) return undefined;
  const call = String(error.syscall);
  const path = 'path' in error && typeof error.path === 'string' ? error.path : call;
  return { path, written: ['write', 'mkdir', 'rename', 'copyfile', 'ftruncate', 'fsync'].includes(call) };
}

/** Whether ONNX Runtime says so: its binding throws plain errors. */
function isOnnxRuntime(text: string): boolean {
  return /onnxruntime|Non-zero status code|Load model from .* failed|Exception during initialization|ONNX Runtime/iu.test(
    text,
  );
}
