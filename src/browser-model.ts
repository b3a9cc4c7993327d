// `fastv/model` in a browser.
export { cacheSize, clearCache, listCache } from './runtime/browser-cache.js';
export { openModel } from './runtime/browser-model.js';
export type { OpenOptions } from './runtime/open-model.js';
export * from './runtime/public-model.js';
