// The plug in a browser: the decoder is rewritten in memory, on the bytes that Transformers.js fetched (or had cached).
// All of it but this file is a chunk of its own where the app's bundler makes chunks, and is fetched with the first model.
import type { AutoOptions, PlugOptions } from './options.js';
import type { Loaded, LoadOptions, ModelClass, WithFastv } from './plug.js';
import { classWith, type FastvClass } from './with-fastv.js';

/**
 * Loads an image-text model that prunes image tokens inside its decoder (FastV, arXiv 2403.06764), in a page or a worker.
 * The result is the model that `modelClass.from_pretrained` would give, with `model.fastv` besides. The decoder is
 * rewritten in memory, at every load; nothing is written.
 *
 * @param modelClass a Transformers.js class, e.g. `AutoModelForImageTextToText`
 * @param name a name on the Hugging Face hub
 * @param options FastV's options; all others (`dtype`, `device`, `progress_callback`, …) go to `from_pretrained`
 * @throws {FastvError} `invalid-option` for options that do not exist or make no sense; `unsupported-decoder` for a model
 *   that cannot be pruned, unless `onUnsupported: 'warn'`; `inference` and `io` where it cannot be loaded
 * @example
 * import { AutoModelForImageTextToText } from '@huggingface/transformers';
 * import { fastv } from 'fastv';
 *
 * const name = 'HuggingFaceTB/SmolVLM-256M-Instruct';
 * const model = await fastv(AutoModelForImageTextToText, name, { ratio: 0.5, device: 'webgpu', dtype: 'q4f16' });
 * const ids = await model.generate({ ...inputs, max_new_tokens: 64, fastv: { ratio: 0.75 } });
 */
export async function fastv<C extends ModelClass>(
  modelClass: C,
  name: string,
  options?: LoadOptions<C>,
): Promise<WithFastv<Loaded<C>>> {
  const { BROWSER, plug } = await import('./browser-platform.js');
  return plug(BROWSER, modelClass, name, options);
}

/**
 * A class that loads pruned models, for code that takes a class of Transformers.js and calls its `from_pretrained`.
 * @param modelClass as for {@link fastv}
 * @param options what is fixed when a model is loaded; options that `from_pretrained` is given take their place
 * @example
 * const Pruned = withFastv(AutoModelForImageTextToText, { layer: 2, ratio: 0.5 });
 * const model = await Pruned.from_pretrained('HuggingFaceTB/SmolVLM-256M-Instruct', { dtype: 'q8' });
 */
export function withFastv<C extends ModelClass>(
  modelClass: C,
  options: PlugOptions | AutoOptions = {},
): FastvClass<C> {
  return classWith((loads, name, given) => fastv(loads, name, given), modelClass, options);
}
