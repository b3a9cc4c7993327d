// The plug in Node.
import { fileURLToPath } from 'node:url';
import { readModelBytes } from '../files/model-file.js';
import { checkLocalModel } from '../files/model-name.js';
import { rewriteFile } from './decoder-file.js';
import { rewriteInMemory } from './in-memory.js';
import { isDecoderFile, loadedRuntimes, nodeSessionClass } from './node-session.js';
import type { AutoOptions, PlugOptions } from './options.js';
import {
  plug,
  type Loaded,
  type LoadOptions,
  type ModelClass,
  type Platform,
  type WithFastv,
} from './plug.js';
import { looksLikeDecoder } from './rewritten-graph.js';
import { unsignedSource } from './unsigned-file.js';
import { classWith, type FastvClass } from './with-fastv.js';

/** Files on disk, ONNX Runtime's Node binding. */
export const NODE: Platform = {
  device: 'cpu',
  sessionClass: nodeSessionClass,
  runtimes: loadedRuntimes,
  isDecoder: ({ model }) => (typeof model === 'string' ? isDecoderFile(model) : looksLikeDecoder(model)),
  rewrite: async ({ model, options }, request) =>
    typeof model === 'string'
      ? rewriteFile(pathOf(model), options, request)
      : rewriteInMemory(model, options, request),
  unsigned: unsignedSource,
  bytes: async ({ model }) => (typeof model === 'string' ? readModelBytes(pathOf(model)) : model),
};

function pathOf(model: string): string {
  return model.startsWith('file:') ? fileURLToPath(model) : model;
}

/**
 * Loads an image-text model that prunes image tokens inside its decoder (FastV, arXiv 2403.06764). The result is the
 * model that `modelClass.from_pretrained` would give, with `model.fastv` besides.
 *
 * @param modelClass a Transformers.js class, e.g. `AutoModelForImageTextToText`
 * @param name a name on the Hugging Face hub, or a folder
 * @param options FastV's options; all others (`dtype`, `device`, `local_files_only`, …) go to `from_pretrained`
 * @throws {FastvError} `invalid-option` for options that do not exist or make no sense; `unsupported-decoder` for a model
 *   that cannot be pruned, unless `onUnsupported: 'warn'`; `inference` and `io` where it cannot be loaded
 * @example
 * import { AutoModelForImageTextToText, AutoProcessor, RawImage } from '@huggingface/transformers';
 * import { fastv } from 'fastv';
 *
 * const name = 'HuggingFaceTB/SmolVLM-256M-Instruct';
 * const model = await fastv(AutoModelForImageTextToText, name, { layer: 2, ratio: 0.5, dtype: 'q4' });
 * const processor = await AutoProcessor.from_pretrained(name);
 * const prompt = '<|im_start|>User:<image>What is this?<end_of_utterance>\nAssistant:';
 * const inputs = await processor(prompt, [await RawImage.read('photo.jpg')]);
 * const ids = await model.generate({ ...inputs, max_new_tokens: 64, fastv: { ratio: 0.75 } });
 */
export async function fastv<C extends ModelClass>(
  modelClass: C,
  name: string,
  options?: LoadOptions<C>,
): Promise<WithFastv<Loaded<C>>> {
  checkLocalModel(name);
  return plug(NODE, modelClass, name, options);
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
