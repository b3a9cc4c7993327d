// Rewriting ONNX decoders so that they run FastV. Runs in a browser as it is.
export { FASTV_ERROR_CODES, FastvError, type FastvErrorCode, type FastvErrorDetails } from '../errors.js';
export { rewriteDecoder } from './rewrite-decoder.js';
export type { RewriteOptions, RewriteReport, Stage } from './options.js';
export { inspectDecoder, type CutInspection, type Inspection, type LayerInspection } from './inspect.js';
export { recogniseDecoder, type Decoder, type Layer } from '../decoder/decoder.js';
export type { AttentionCore, AttentionKind } from '../decoder/attention/core.js';
export { processorNodes } from './processor-nodes.js';
export type { QuotaArithmetic } from './quota.js';
export {
  ATTENTION_MASS,
  IMAGE_TOKEN_MASK,
  IMAGE_TOKEN_SCORES,
  IMAGE_TOKEN_SEGMENTS,
  KEPT_INDICES,
  PRUNE_RATIO,
} from '../decoder/contract.js';
export { findStrategy, loop, strategies } from '../strategies/index.js';
export type * from '../strategies/index.js';
export { lastTokenTail, type Tail } from './tail.js';
export { flipSigns, recentre, type Recentred } from '../quantize/recentre.js';
export { linearLayers, type LinearLayer } from '../decoder/linear.js';
export { weightAdvice, type FormatShare, type WeightFormat } from '../quantize/weight-advice.js';
