// Where Transformers.js and ONNX Runtime find their files in this page: on its own origin, unless the user names a model
// of the hub.
import { env } from '@huggingface/transformers';
import { BUNDLED } from './types.js';

/** More threads than this gain nothing for models of this size. */
const MOST_THREADS = 8;

/** Threads of the WebAssembly build: they need memory that is shared, which only isolated pages have. */
export function threads(): number {
  return self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
}

/** @param base the page's folder, with a slash at its end */
export function configure(base: string): void {
  const onnx = env.backends.onnx as { wasm: { wasmPaths: unknown; numThreads: number } };
  onnx.wasm.wasmPaths = {
    mjs: new URL('ort/ort-wasm-simd-threaded.asyncify.mjs', base).href,
    wasm: new URL('ort/ort-wasm-simd-threaded.asyncify.wasm', base).href,
  };
  onnx.wasm.numThreads = threads();
  // a path: Transformers.js 4.3 takes whole addresses for those of other hosts, and finds no tokenizer there
  env.localModelPath = new URL('models/', base).pathname;
}

/** Lets one model be read, and nothing else: the page's own from its origin, a model of the hub from there. */
export function allow(model: string): void {
  env.allowLocalModels = model === BUNDLED;
  env.allowRemoteModels = model !== BUNDLED;
  // the page's own files are kept by the browser's cache as all its others
  env.useBrowserCache = model !== BUNDLED;
}
