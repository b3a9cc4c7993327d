// `fastv` in a browser: the plug, the rewrite and the costs; nothing of Node.
export { FastvError, type FastvErrorCode } from './errors.js';
export { fastv } from './runtime/browser.js';
export type { CallerStrategy, GraphStrategy, Strategy, StrategyName } from './strategies/index.js';
export type { FastvHandle, ModelClass, WithFastv } from './runtime/plug.js';
export type {
  CallOptions,
  ImageReport,
  PlugOptions,
  PrefillReport,
  RowReport,
  WarningKind,
  WarningListener,
} from './runtime/options.js';
