// `fastv` in Node. In a browser, bundlers take browser.ts instead.
export { FastvError, type FastvErrorCode } from './errors.js';
export { fastv } from './runtime/index.js';
export type { CallerStrategy, GraphStrategy, Strategy, StrategyName } from './strategies/index.js';
export type {
  CallOptions,
  FastvHandle,
  ImageReport,
  ModelClass,
  PlugOptions,
  PrefillReport,
  RowReport,
  WarningKind,
  WarningListener,
  WithFastv,
} from './runtime/index.js';
