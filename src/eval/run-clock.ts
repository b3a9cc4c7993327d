/** Time inside a session's runs: the first since it was last read, and the others. */
import type { OrtSession } from '../runtime/transformers.js';

export class RunClock {
  #runs: number[] = [];

  /** The session, with its runs timed. */
  wrap(session: OrtSession): OrtSession {
    const runnable = session as unknown as { run(...args: unknown[]): Promise<unknown> };
    const run = async (...args: unknown[]): Promise<unknown> => {
      const start = performance.now();
      const outputs = await runnable.run(...args);
      this.#runs.push(performance.now() - start);
      return outputs;
    };
    return new Proxy(session, {
      get(target, name) {
        if (name === 'run') return run;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** Milliseconds of the first run and of all others since this was last called. */
  read(): { first: number; others: number } {
    const [first = 0, ...others] = this.#runs.splice(0);
    return { first, others: others.reduce((a, b) => a + b, 0) };
  }
}
