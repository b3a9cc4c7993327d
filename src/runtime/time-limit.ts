// Code of a stranger's that runs in this process, such as a model's chat template, may loop for ever. In Node a time
// limit ends it; a browser has no such thing, and offers to stop the page.
import { FastvError } from '../errors.js';

interface Vm {
  createContext<T extends object>(context: T): T;
  runInContext(code: string, context: object, options: { readonly timeout: number }): unknown;
}

interface Used {
  readonly user: number;
  readonly system: number;
}

/** Where functions are called: one for all calls, because to make one takes milliseconds. */
let context: { run: () => unknown } | undefined;
/** Whether a limit holds. */
let running = false;

/**
 * Calls a function that is not asynchronous, for so long at most. Within such a function the limit of the outer one holds.
 * The engine counts time by the clock; where the processor worked for others meanwhile, the function is called once more,
 * and has twice as long.
 * @param what it is, for the errors
 * @param run may be called several times
 * @throws {FastvError} `invalid-input` if its time is up, or with what it throws
 */
export function withTimeLimit(milliseconds: number, what: string, run: () => unknown): unknown {
  if (running) return run();
  running = true;
  try {
    const vm = nodeVm();
    if (vm === undefined) return run();
    context ??= vm.createContext({ run });
    context.run = run;
    const start = node?.cpuUsage?.();
    for (let timeout = milliseconds; ; timeout *= 2) {
      try {
        // the limit is the engine's: it also holds for functions from outside the context
        return vm.runInContext('run()', context, { timeout });
      } catch (cause) {
        const { user, system } = node?.cpuUsage?.(start) ?? { user: Infinity, system: 0 };
        if (!isTimeout(cause) || (user + system) / 1000 > milliseconds / 4) throw cause;
      }
    }
  } catch (cause) {
    if (cause instanceof FastvError) throw cause;
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const message = isTimeout(cause) ? `takes more than ${milliseconds / 1000} seconds` : `fails: ${reason}`;
    throw new FastvError('invalid-input', `${what} ${message}`, { cause });
  } finally {
    running = false;
  }
}

function isTimeout(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  );
}

/** Without an import that bundlers for browsers would have to resolve. */
function nodeVm(): Vm | undefined {
  return (node?.getBuiltinModule?.('node:vm') as Vm | undefined) ?? importedVm;
}

const { process: node } = globalThis as {
  process?: {
    getBuiltinModule?(name: string): unknown;
    /** Microseconds of the processor's. */
    cpuUsage?(since?: Used): Used;
    versions?: { node?: string };
  };
};
/** Node before 20.16 has no `getBuiltinModule`. What is imported here is there long before a model is. */
let importedVm: Vm | undefined;
if (node?.versions?.node !== undefined && node.getBuiltinModule === undefined) {
  const name = ['node', 'vm'].join(':');
  void import(/* @vite-ignore */ /* webpackIgnore: true */ name).then((vm: Vm) => {
    importedVm = vm;
  });
}
