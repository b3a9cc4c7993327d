// `fastv` in Node. In a browser, bundlers take browser.ts instead.
export { FASTV_ERROR_CODES, FastvError, type FastvErrorCode, type FastvErrorDetails } from './errors.js';
export { fastv } from './runtime/index.js';
export type { CallerStrategy, GraphStrategy, Strategy, StrategyName } from './strategies/index.js';
export type {
  CallOptions,
  CallTimes,
  FastvCall,
  FastvHandle,
  ImageReport,
  Loaded,
  LoadOptions,
  ModelClass,
  PlugOptions,
  PrefillReport,
  RowReport,
  WarningKind,
  WarningListener,
  WithFastv,
} from './runtime/index.js';
