// `fastv` in Node. In a browser, bundlers take browser.ts instead.
export { fastv, withFastv } from './runtime/node.js';
export * from './runtime/public.js';
