// The cost model of the FastV paper (arXiv 2403.06764 v3, section 4.2, "Computing cost estimation"), as printed there.
//
// Its unit is called FLOPs, but what it counts are multiply-accumulates: 4nd² is one product a weight a token for
// the four attention projections, where a floating-point count would have two. Its MLP has two matrices (2ndm);
// LLaMA's has three. `exact.ts` counts both as they are. Causal masking, grouped KV heads, the LM head and the
// selection are not in the formula.

/** A decoder as the formula sees it. */
export interface PaperShape {
  /** T, the number of layers. */
  readonly layers: number;
  /** d, the hidden size. */
  readonly hidden: number;
  /** m, the MLP's inner size. */
  readonly mlp: number;
}

/** Where FastV prunes and how much. */
export interface PaperPruning {
  /** K: layers 0 … K−1 see every token. */
  readonly layer: number;
  /** R in [0, 1]: the share of image tokens dropped. */
  readonly ratio: number;
}

/** The tokens of a prefill. */
export interface Tokens {
  readonly text: number;
  readonly image: number;
}

/**
 * C(n) = 4nd² + 2n²d + 2ndm: one decoder layer on `n` tokens.
 * @returns multiply-accumulates (the paper calls them FLOPs)
 * @example
 * paperLayerCost(612, { layers: 32, hidden: 4096, mlp: 11008 });
 */
export function paperLayerCost(n: number, { hidden: d, mlp: m }: PaperShape): number {
  return 4 * n * d ** 2 + 2 * n ** 2 * d + 2 * n * d * m;
}

/**
 * The mean cost of a layer under FastV, [K·C(n) + (T−K)·C(n̂)] / T with n̂ = n_text + (1−R)·n_image.
 * This is the number that the paper's Table 1 prints in units of 10⁹. n̂ is not rounded, as in the paper.
 * @example
 * paperMeanLayerCost(shape, { text: 36, image: 576 }, { layer: 2, ratio: 0.5 });
 */
export function paperMeanLayerCost(shape: PaperShape, tokens: Tokens, pruning: PaperPruning): number {
  const { layers: T } = shape;
  const { layer: K, ratio: R } = pruning;
  const n = tokens.text + tokens.image;
  const kept = tokens.text + (1 - R) * tokens.image;
  return (K * paperLayerCost(n, shape) + (T - K) * paperLayerCost(kept, shape)) / T;
}

/**
 * The same mean for several stages, each of which drops its share of what the earlier ones left. The paper has one
 * stage; with one, this is {@link paperMeanLayerCost}.
 * @param stages ascending in K
 * @example
 * paperMeanLayerCostOfStages(shape, tokens, [{ layer: 2, ratio: 0.5 }, { layer: 8, ratio: 0.5 }]);
 */
export function paperMeanLayerCostOfStages(
  shape: PaperShape,
  tokens: Tokens,
  stages: readonly PaperPruning[],
): number {
  let image = tokens.image;
  let sum = 0;
  let layer = 0;
  for (const stage of stages) {
    sum += (stage.layer - layer) * paperLayerCost(tokens.text + image, shape);
    layer = stage.layer;
    image *= 1 - stage.ratio;
  }
  return (sum + (shape.layers - layer) * paperLayerCost(tokens.text + image, shape)) / shape.layers;
}

/**
 * The mean cost of a layer where each saw so many tokens, whatever decided that: Σ C(n_l) / T.
 * @param tokens the tokens of each layer
 * @example
 * paperMeanCostOfLayers(shape, [612, 612, ...Array(30).fill(324)]);
 */
export function paperMeanCostOfLayers(shape: PaperShape, tokens: readonly number[]): number {
  return tokens.reduce((sum, n) => sum + paperLayerCost(n, shape), 0) / Math.max(1, tokens.length);
}

/**
 * The theoretical reduction, 1 − [K·C(n) + (T−K)·C(n̂)] / (T·C(n)) (the paper's equation of section 4.2).
 * @example
 * paperReduction(shape, { text: 36, image: 576 }, { layer: 2, ratio: 0.5 }); // 0.448 of LLaVA-1.5-7B
 */
export function paperReduction(shape: PaperShape, tokens: Tokens, pruning: PaperPruning): number {
  return 1 - paperMeanLayerCost(shape, tokens, pruning) / paperLayerCost(tokens.text + tokens.image, shape);
}
