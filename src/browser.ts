// `fastv` in a browser: the plug, the rewrite and the costs; nothing of Node.
export { FASTV_ERROR_CODES, FastvError, type FastvErrorCode, type FastvErrorDetails } from './errors.js';
export { fastv } from './runtime/browser.js';
export type { CallerStrategy, GraphStrategy, Strategy, StrategyName } from './strategies/index.js';
export type { CallTimes, FastvCall } from './runtime/call.js';
export type { FastvHandle, Loaded, LoadOptions, ModelClass, WithFastv } from './runtime/plug.js';
export type {
  CallOptions,
  ImageReport,
  PlugOptions,
  PrefillReport,
  RowReport,
  WarningKind,
  WarningListener,
} from './runtime/options.js';
