// `fastv/model` in Node: a model with its processor, opened in one call, and what is known and kept of models. It imports
// Transformers.js, which `fastv` does not. In a browser, bundlers take browser-model.ts instead.
import './runtime/one-runtime.js';

export { embeddedModel } from './runtime/embedded.js';
export { openModel, type OpenOptions } from './runtime/model.js';
export { cacheSize, clearCache, listCache, type CachePlace } from './runtime/node-cache.js';
export * from './runtime/public-model.js';
