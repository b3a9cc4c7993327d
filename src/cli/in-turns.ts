/** Work in steps that leaves the program a turn between them: to hear of Ctrl-C, and to redraw what it shows. */
import { setImmediate } from 'node:timers/promises';

/** Does all steps. @returns what they come to */
export async function inTurns<T>(steps: Generator<undefined, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await setImmediate();
  }
}
