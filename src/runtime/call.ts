// One `generate`, or one direct forward pass: what was asked of it, what it has taken so far, and what it did.
import type { CallOptions, PrefillReport } from './options.js';

/** Milliseconds inside ONNX Runtime. */
export interface CallTimes {
  readonly vision: number;
  /** The decoder's first run. */
  readonly prefill: number;
  /** Its later runs so far. */
  readonly decode: number;
}

/**
 * A call of its own: give it to `generate` as `fastv`, and what it says is of that call, whatever runs beside it.
 * @see FastvHandle.call
 */
export interface FastvCall {
  /** What the prefill did; undefined before it, and where nothing is pruned. It grows while the answer is generated. */
  readonly report: PrefillReport | undefined;
  readonly ms: CallTimes;
  /** Decoder runs after the first. */
  readonly decodeSteps: number;
}

/** A call while it runs. */
export class Call implements FastvCall {
  readonly options: CallOptions;
  readonly ms = { vision: 0, prefill: 0, decode: 0 };
  decodeSteps = 0;
  report: PrefillReport | undefined;
  /** Whether a `generate` has it. */
  taken = false;

  constructor(options: CallOptions) {
    this.options = options;
  }
}
