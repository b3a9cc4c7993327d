// Running pruned models: the Transformers.js plug, in Node.
export { fastv } from './node.js';
export type { CallTimes, FastvCall } from './call.js';
export type { FastvHandle, Loaded, LoadOptions, ModelClass, WithFastv } from './plug.js';
export type {
  CallOptions,
  ImageReport,
  PlugOptions,
  PrefillReport,
  RowReport,
  WarningKind,
  WarningListener,
} from './options.js';
