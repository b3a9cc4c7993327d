// `fastv/cost`: the paper's formula, exact costs, KV bytes, known models. Pure arithmetic; runs anywhere.
export { compareCost, type BeforeAfter, type CostComparison } from './compare.js';
export { shapeOfDecoder } from './decoder.js';
export {
  decodeMacs,
  flops,
  kvCacheBytes,
  kvCacheLengths,
  macsOfLayers,
  prefillMacs,
  type CostOptions,
  type Cut,
  type Macs,
} from './exact.js';
export { KNOWN_MODELS, knownModel, type KnownModel } from './models.js';
export {
  paperLayerCost,
  paperMeanCostOfLayers,
  paperMeanLayerCost,
  paperMeanLayerCostOfStages,
  paperReduction,
  type PaperPruning,
  type PaperShape,
  type Tokens,
} from './paper.js';
export type { DecoderShape } from './shape.js';
export { visionMacs, visionShape, type VisionShape } from './vision.js';
export { checkStages, keptTokens, tokensOfLayers, type LayerTokens, type Stage } from './stages.js';
