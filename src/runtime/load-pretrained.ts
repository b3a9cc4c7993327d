// Transformers.js's `from_pretrained`, as every load of ours calls it: sessions go through a swap, the device is the
// caller's choice or the default, and what goes wrong is typed.
import { needsCompletion } from './llava-needs.js';
import { loadError } from './load-error.js';
import { withSwap, type SessionOptions, type Swap } from './session-swap.js';
import { isDecoderModel, isRecord } from './transformers.js';

/** A class that loads models with options of Transformers.js's. */
export interface Loader {
  from_pretrained(name: string, options?: Record<string, unknown>): Promise<unknown>;
}

/** Where a platform runs models unless told otherwise. */
export type DefaultDevice = 'cpu' | 'wasm';

/**
 * Loads a model.
 * @param options Transformers.js's
 * @param swap what its sessions are made of
 * @throws {FastvError} `io` for a model or file that is not there or cannot be read, `invalid-option` for a device that
 *   Transformers.js does not know, and as `sessionError` says
 */
export async function loadPretrained(
  modelClass: Loader,
  name: string,
  options: Readonly<Record<string, unknown>>,
  swap: Swap,
  defaultDevice: DefaultDevice = 'cpu',
): Promise<unknown> {
  const own = isRecord(options['session_options']) ? (options['session_options'] as SessionOptions) : {};
  const all = {
    ...options,
    // a model's config.json may name a device of its own: which drivers are loaded is not for a model's author to say
    device: options['device'] ?? defaultDevice,
    session_options: withSwap(own, swap),
  };
  try {
    const model = await modelClass.from_pretrained(name, all);
    await completed(model, name, all).catch(async (cause: unknown) => {
      await (model as { dispose?: () => Promise<unknown> }).dispose?.();
      throw cause;
    });
    return model;
  } catch (cause) {
    throw loadError(cause, name);
  }
}

async function completed(
  model: unknown,
  name: string,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (!isDecoderModel(model) || !needsCompletion(model)) return;
  const { completeModel } = await import('./llava-models.js');
  await completeModel(model, name, options);
}
