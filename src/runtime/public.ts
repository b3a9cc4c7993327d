// What the plug's users can name, in Node and in a browser alike: the one list. `fastv` itself differs between them.
export { FASTV_ERROR_CODES, FastvError, type FastvErrorCode, type FastvErrorDetails } from '../errors.js';
export type { CallerStrategy, GraphStrategy, Strategy, StrategyName } from '../strategies/index.js';
export type { CalibrateOptions, Calibration } from './auto-ratio.js';
export type { CallTimes, FastvCall } from './call.js';
export type { FastvClass } from './with-fastv.js';
export type { FastvHandle, Loaded, LoadOptions, ModelClass, WithFastv } from './plug.js';
export type {
  AutoOptions,
  CallOptions,
  ImageReport,
  PlugOptions,
  PrefillReport,
  RowReport,
  WarningKind,
  WarningListener,
} from './options.js';
