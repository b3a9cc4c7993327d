// `fastv` in Node. In a browser, bundlers take browser.ts instead.
export { fastv } from './runtime/node.js';
export * from './runtime/public.js';
