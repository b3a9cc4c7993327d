// A decoder before and after pruning, side by side: what `fastv cost` prints.
import {
  decodeMacs,
  kvCacheBytes,
  kvCacheLengths,
  prefillMacs,
  type CostOptions,
  type Macs,
} from './exact.js';
import { paperLayerCost, paperMeanLayerCostOfStages, type Tokens } from './paper.js';
import type { DecoderShape } from './shape.js';
import { checkStages, tokensOfLayers, type Stage } from './stages.js';

/** The same quantity of the original and of the pruned decoder. */
export interface BeforeAfter<T> {
  readonly before: T;
  readonly after: T;
}

/** Everything that pruning changes about a decoder's cost. */
export interface CostComparison {
  /** Image tokens left after the last stage. */
  readonly keptImageTokens: number;
  /** The paper's mean cost of a layer, in multiply-accumulates (its "FLOPs"). */
  readonly paperLayerMacs: BeforeAfter<number>;
  /** 1 − after/before of that: the paper's theoretical reduction. */
  readonly paperReduction: number;
  /** The exact prefill. */
  readonly prefill: BeforeAfter<Macs>;
  /** One decoding step after prefill and `generated` tokens. */
  readonly decode: BeforeAfter<Macs>;
  /** The KV cache at that point, in bytes. */
  readonly kvBytes: BeforeAfter<{ layers: number[]; total: number }>;
}

/**
 * Compares a decoder with itself after pruning.
 * @param generated tokens already generated, for decoding cost and KV bytes
 * @throws {FastvError} `invalid-option` if a stage makes no sense for this decoder
 * @example
 * const { shape } = knownModel('llava-1.5-7b');
 * const { prefill, kvBytes } = compareCost(shape, { text: 36, image: 576 }, [{ layer: 2, ratio: 0.5 }]);
 * console.log(prefill.after.total / prefill.before.total, kvBytes.after.total);
 */
export function compareCost(
  shape: DecoderShape,
  tokens: Tokens,
  stages: readonly Stage[],
  options: CostOptions & { readonly generated?: number } = {},
): CostComparison {
  checkStages(stages, shape.layers);
  const { generated = 0 } = options;
  const paper = {
    before: paperLayerCost(tokens.text + tokens.image, shape),
    after: paperMeanLayerCostOfStages(shape, tokens, stages),
  };
  const lengths = {
    before: kvCacheLengths(shape, tokens, [], generated),
    after: kvCacheLengths(shape, tokens, stages, generated),
  };
  return {
    keptImageTokens: tokensOfLayers(shape.layers, tokens, stages).at(-1)?.image ?? tokens.image,
    paperLayerMacs: paper,
    paperReduction: paper.before === 0 ? 0 : 1 - paper.after / paper.before,
    prefill: {
      before: prefillMacs(shape, tokens, [], options),
      after: prefillMacs(shape, tokens, stages, options),
    },
    decode: { before: decodeMacs(shape, lengths.before), after: decodeMacs(shape, lengths.after) },
    kvBytes: { before: kvCacheBytes(shape, lengths.before), after: kvCacheBytes(shape, lengths.after) },
  };
}
