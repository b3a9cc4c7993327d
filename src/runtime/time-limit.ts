// Code of a stranger's that runs in this process, such as a model's chat template, may loop for ever. In Node a time
// limit ends it; a browser has no such thing, and offers to stop the page.
import { FastvError } from '../errors.js';

interface Vm {
  createContext<T extends object>(context: T): T;
  runInContext(code: string, context: object, options: { readonly timeout: number }): unknown;
}

/** Where functions are called: one for all calls, because to make one takes milliseconds. */
let context: { run: () => unknown } | undefined;
/** Whether a limit holds. */
let running = false;

/**
 * Calls a function that is not asynchronous, for so long at most. Within such a function the limit of the outer one holds.
 * @param what it is, for the errors
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
    // the limit is the engine's: it also holds for functions from outside the context
    return vm.runInContext('run()', context, { timeout: milliseconds });
  } catch (cause) {
    if (cause instanceof FastvError) throw cause;
    const timedOut =
      typeof cause === 'object' &&
      cause !== null &&
      'code' in cause &&
      cause.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const message = timedOut ? `takes more than ${milliseconds / 1000} seconds` : `fails: ${reason}`;
    throw new FastvError('invalid-input', `${what} ${message}`, { cause });
  } finally {
    running = false;
  }
}

/** Without an import that bundlers for browsers would have to resolve. */
function nodeVm(): Vm | undefined {
  return (node?.getBuiltinModule?.('node:vm') as Vm | undefined) ?? importedVm;
}

const { process: node } = globalThis as {
  process?: { getBuiltinModule?(name: string): unknown; versions?: { node?: string } };
};
/** Node before 20.16 has no `getBuiltinModule`. What is imported here is there long before a model is. */
let importedVm: Vm | undefined;
if (node?.versions?.node !== undefined && node.getBuiltinModule === undefined) {
  const name = ['node', 'vm'].join(':');
  void import(/* @vite-ignore */ /* webpackIgnore: true */ name).then((vm: Vm) => {
    importedVm = vm;
  });
}
