// `fastv/conversation` in Node. In a browser, bundlers take runtime/conversation.ts instead.
import './runtime/one-runtime.js';

export * from './runtime/conversation.js';
