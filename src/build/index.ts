// Models from Hugging Face checkpoints, in Node.
export { FASTV_ERROR_CODES, FastvError, type FastvErrorCode, type FastvErrorDetails } from '../errors.js';
export { build, type BuildDtype, type BuildOptions, type BuildReport } from './build.js';
export type { BuiltPart } from './built-part.js';
export type { CheckpointFiles } from './checkpoint/files.js';
export type { RandomAccess } from './checkpoint/stored-tensor.js';
export type { WrittenFile } from './data-files.js';
export { PARTS, type PartDtype, type PartName } from './part-names.js';
export type { QuantizedLayer } from '../quantize/quantize.js';
