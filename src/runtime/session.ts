// The one way to put something around a session's `run`: time it, add to what it is fed, keep back what it gives.
import type { OrtSession, OrtTensor } from './transformers.js';

/** Tensors by their names. */
export type Tensors = Readonly<Record<string, OrtTensor>>;

/** A session's `run`; what follows the feeds is ONNX Runtime's. */
export type Run = (feeds: Tensors, ...rest: unknown[]) => Promise<Tensors>;

/**
 * A session whose runs go through `around`; everything else is the session's own.
 * @param around gets the session's own `run`, and gives the one to be called in its place
 * @param hidden names of inputs and outputs that the wrapped session shall not be seen to have
 */
export function wrapRun(
  session: OrtSession,
  around: (run: Run) => Run,
  hidden: readonly string[] = [],
): OrtSession {
  const run = around(session.run.bind(session) as unknown as Run);
  const visible = (name: string): boolean => !hidden.includes(name);
  const replaced: Readonly<Record<string | symbol, unknown>> = {
    run,
    inputNames: session.inputNames.filter(visible),
    outputNames: session.outputNames.filter(visible),
    inputMetadata: session.inputMetadata.filter(({ name }) => visible(name)),
    outputMetadata: session.outputMetadata.filter(({ name }) => visible(name)),
  };
  return new Proxy(session, {
    get(target, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A run whose milliseconds are told when it ends, well or not. */
export function timed(run: Run, tell: (milliseconds: number, feeds: Tensors) => void): Run {
  return async (feeds, ...rest) => {
    const start = performance.now();
    try {
      return await run(feeds, ...rest);
    } finally {
      tell(performance.now() - start, feeds);
    }
  };
}
