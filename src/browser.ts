// `fastv` in a browser: the plug, the rewrite and the costs; nothing of Node.
export { fastv, withFastv } from './runtime/browser.js';
export * from './runtime/public.js';
