// The plug in a browser: the decoder is rewritten in memory, on the bytes that Transformers.js fetched (or had cached).
import { rewriteInMemory, unsignedInMemory } from './in-memory.js';
import type { PlugOptions } from './options.js';
import { plug, type ModelClass, type Platform, type WithFastv } from './plug.js';
import { looksLikeDecoder } from './rewritten-graph.js';
import type { SessionClass } from './session-swap.js';

const browser: Platform = {
  async sessionClass() {
    // the same module that Transformers.js's web build imports
    const runtime = (await import('onnxruntime-web/webgpu')) as unknown as { InferenceSession: SessionClass };
    return runtime.InferenceSession;
  },
  isDecoder: ({ model }) => model instanceof Uint8Array && looksLikeDecoder(model),
  rewrite: ({ model, options }, request) => {
    if (typeof model === 'string') throw new TypeError('a browser has no files');
    return Promise.resolve(rewriteInMemory(model, options, { ...request, doubles: false }));
  },
  unsigned: (source) => Promise.resolve(unsignedInMemory(source)),
  bytes: ({ model }) => {
    if (typeof model === 'string') throw new TypeError('a browser has no files');
    return Promise.resolve(model);
  },
};

/** Like `fastv` in Node; nothing is written. */
export function fastv<M>(
  modelClass: ModelClass<M>,
  name: string,
  options: PlugOptions & Record<string, unknown> = {},
): Promise<WithFastv<M>> {
  return plug(browser, modelClass, name, options);
}
