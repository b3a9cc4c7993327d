// The device that runs a session, where it is known which formats of weights are slow on it.
import type { SessionOptions } from './session-swap.js';

/** Devices on which formats were measured. */
export type MeasuredDevice = 'cpu' | 'webgpu';

/**
 * The device of a session's options: their first execution provider. undefined for WebAssembly and others, on which
 * nothing was measured.
 */
export function measuredDevice({ executionProviders = [] }: SessionOptions): MeasuredDevice | undefined {
  const [provider] = executionProviders;
  const name = typeof provider === 'object' ? provider.name : provider;
  return name === 'cpu' || name === 'webgpu' ? name : undefined;
}
