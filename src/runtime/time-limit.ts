// Code of a stranger's that runs in this process, such as a model's chat template, may loop for ever. In Node a time
// limit ends it; a browser has no such thing, and offers to stop the page.
import { FastvError } from '../errors.js';

interface Vm {
  runInNewContext(code: string, context: object, options: { readonly timeout: number }): unknown;
}

/**
 * Calls a function that is not asynchronous, for so long at most.
 * @param what it is, for the errors
 * @throws {FastvError} `invalid-input` if its time is up, or with what it throws
 */
export function withTimeLimit(milliseconds: number, what: string, run: () => unknown): unknown {
  const vm = nodeVm();
  try {
    // the limit is the engine's: it also holds for functions from outside the context
    return vm === undefined ? run() : vm.runInNewContext('run()', { run }, { timeout: milliseconds });
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
