// What the plug needs of a browser, and the plug itself: what a page loads when it loads a model.
import { FastvError } from '../errors.js';
import { editedInMemory, rewriteInMemory } from './in-memory.js';
import type { Platform } from './plug.js';
import { looksLikeDecoder } from './rewritten-graph.js';
import type { SessionClass } from './session-swap.js';
import { reasonOf } from './tell.js';

export { plug } from './plug.js';

/** Bytes in memory, ONNX Runtime Web. */
export const BROWSER: Platform = {
  device: 'wasm',
  async sessionClass() {
    try {
      // the same module that Transformers.js's web build imports
      const runtime = (await import('onnxruntime-web/webgpu')) as unknown as {
        InferenceSession: SessionClass;
      };
      return runtime.InferenceSession;
    } catch (cause) {
      throw new FastvError('io', `ONNX Runtime Web cannot be loaded: ${reasonOf(cause)}`, {
        where: 'onnxruntime-web/webgpu',
        hint: 'Install onnxruntime-web in the version that @huggingface/transformers depends on.',
        cause,
      });
    }
  },
  runtimes: () => [],
  isDecoder: ({ model }) => model instanceof Uint8Array && looksLikeDecoder(model),
  rewrite: ({ model, options }, request) => {
    if (typeof model === 'string') throw new TypeError('a browser has no files');
    return Promise.resolve(rewriteInMemory(model, options, { ...request, doubles: false }));
  },
  unsigned: async (source) => editedInMemory(source, (await import('../quantize/unsigned.js')).unsigned),
  bytes: ({ model }) => {
    if (typeof model === 'string') throw new TypeError('a browser has no files');
    return Promise.resolve(model);
  },
};
