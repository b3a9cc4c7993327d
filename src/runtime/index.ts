// Running pruned models: the Transformers.js plug, in Node.
export { fastv } from './node.js';
export * from './public.js';
