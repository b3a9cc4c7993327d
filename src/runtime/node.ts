// The plug in Node.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { rewriteFile } from './decoder-file.js';
import { rewriteInMemory } from './in-memory.js';
import { isDecoderFile, nodeSessionClass } from './node-session.js';
import type { PlugOptions } from './options.js';
import { plug, type ModelClass, type Platform, type WithFastv } from './plug.js';
import { looksLikeDecoder } from './rewritten-graph.js';
import { unsignedSource } from './unsigned-file.js';

/** Files on disk, ONNX Runtime's Node binding. */
const node: Platform = {
  sessionClass: () => Promise.resolve(nodeSessionClass()),
  isDecoder: ({ model }) => (typeof model === 'string' ? isDecoderFile(model) : looksLikeDecoder(model)),
  rewrite: async ({ model, options }, request) =>
    typeof model === 'string'
      ? rewriteFile(pathOf(model), options, request)
      : rewriteInMemory(model, options, request),
  unsigned: unsignedSource,
  bytes: async ({ model }) => (typeof model === 'string' ? readFile(pathOf(model)) : model),
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
 * @throws {FastvError} `invalid-option`; `unsupported-decoder` unless `onUnsupported: 'warn'`
 * @example
 * const model = await fastv(AutoModelForImageTextToText, 'HuggingFaceTB/SmolVLM-256M-Instruct', { layer: 2, ratio: 0.5 });
 */
export function fastv<M>(
  modelClass: ModelClass<M>,
  name: string,
  options: PlugOptions & Record<string, unknown> = {},
): Promise<WithFastv<M>> {
  return plug(node, modelClass, name, options);
}
