// The original model, as exact as a pruned one on every processor, and hooked as it is, so that its calls have times, limits and signals of their own.
import { hook } from './hook.js';
import { configuredPositions } from './limits.js';
import { loadPretrained, type Loader } from './load-pretrained.js';
import { Passes } from './passes.js';
import type { Platform } from './plug.js';
import { exactInt8 } from './processor.js';
import { installSwap } from './session-swap.js';
import type { HfModel } from './transformers.js';

/** Loads a model with its own decoder, whose int8 products are exact on this processor. */
export async function loadOriginal(
  { sessionClass, unsigned, device }: Pick<Platform, 'sessionClass' | 'unsigned' | 'device'>,
  modelClass: Loader,
  name: string,
  options: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const Session = await sessionClass();
  installSwap(Session);
  return loadPretrained(modelClass, name, options, exactInt8(Session, unsigned), device);
}

/** Hooks a model that was loaded without the plug. */
export function hookOriginal(model: HfModel): Passes {
  const positions = configuredPositions(model.config);
  const passes = new Passes({
    config: model.config,
    imageIds: new Set(),
    settings: undefined,
    // the original is run as Transformers.js runs it
    leftPadding: false,
    positions,
    defaults: () => ({}),
    onPrefill: () => undefined,
    onLeftPadding: () => undefined,
  });
  hook(model, passes, [], positions);
  return passes;
}
