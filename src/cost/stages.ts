// Pruning stages as the rewritten graph applies them: which layers see how many tokens.
import { FastvError } from '../errors.js';
import type { Tokens } from './paper.js';

/** One pruning stage: after the attention of layer `layer` − 1, drop `ratio` of the image tokens that are left. */
export interface Stage {
  /** K ≥ 0; at 0 the cut is before the first layer (scores then come from the caller). */
  readonly layer: number;
  /** R in [0, 1]. */
  readonly ratio: number;
}

/** The tokens that a layer starts with, and the image tokens still there. */
export interface LayerTokens {
  readonly total: number;
  readonly image: number;
}

/**
 * How many of `image` tokens a stage keeps: n·(1−R), rounded half to even, as the graph does it. `prune_ratio` is
 * float32 there, where 0.3 is 0.30000001192…; R is taken to six decimals, which brings the 0.3 back.
 * @param image image tokens before the stage
 * @param ratio R in [0, 1]
 * @example
 * keptTokens(576, 0.5); // 288
 */
export function keptTokens(image: number, ratio: number): number {
  const exact = image * (1 - Math.round(ratio * 1e6) / 1e6);
  const floor = Math.floor(exact);
  if (exact - floor !== 0.5) return Math.round(exact);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Checks stages against a decoder's depth: K in [0, layers), strictly ascending, R in [0, 1].
 * @throws {FastvError} `invalid-option`
 * @example
 * checkStages([{ layer: 2, ratio: 0.5 }], 32);
 */
export function checkStages(stages: readonly Stage[], layers: number): void {
  let previous = -1;
  for (const { layer, ratio } of stages) {
    const where = `stage ${layer}:${ratio}`;
    if (!Number.isInteger(layer) || layer < 0 || layer >= layers) {
      throw new FastvError(
        'invalid-option',
        `K = ${layer} is no layer to prune at: the decoder has ${layers}`,
        {
          where,
          hint: `choose K from 0 to ${layers - 1}; FastV's own choice is 2`,
        },
      );
    }
    if (!(ratio >= 0 && ratio <= 1)) {
      throw new FastvError('invalid-option', `R = ${ratio} is no share of tokens`, {
        where,
        hint: 'choose R from 0 (drop nothing) to 1 (drop every image token)',
      });
    }
    if (layer <= previous) {
      throw new FastvError('invalid-option', 'stages must prune at ascending layers, one stage a layer', {
        where,
      });
    }
    previous = layer;
  }
}

/**
 * The tokens at the entry of each layer's key/value projections; these are also its KV-cache entries.
 * @returns one entry a layer
 * @example
 * tokensOfLayers(4, { text: 36, image: 576 }, [{ layer: 2, ratio: 0.5 }]); // two layers of 612 tokens, two of 324
 */
export function tokensOfLayers(layers: number, tokens: Tokens, stages: readonly Stage[]): LayerTokens[] {
  let image = tokens.image;
  return Array.from({ length: layers }, (_, layer) => {
    for (const stage of stages) if (stage.layer === layer) image = keptTokens(image, stage.ratio);
    return { total: tokens.text + image, image };
  });
}
