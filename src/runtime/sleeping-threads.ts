// How ONNX Runtime's threads wait where ours have work to do at the same time.
import type { SessionOptions } from './session-swap.js';

/**
 * Threads of the processor that sleep while they wait. By default they spin, which takes the processor from whoever prepares
 * the next question, reads pictures or collects garbage, and from other processes that answer beside this one: on two cores
 * an evaluation took 1.6 times as long by the clock, and twice the processor's time.
 * @param threads so many; default: one a core
 */
export function sleepingThreads(threads?: number): SessionOptions {
  return {
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
  };
}
