// The exact cost of a decoder, matrix product by matrix product, and of its KV cache: before and after pruning.
//
// The unit is the multiply-accumulate (MAC), which is what the paper's "FLOPs" are too (see paper.ts); `flops` is
// twice that. Counted are the matrix products: projections, q·k and attention·v, MLP, LM head, and the selection's
// last-token row. Not counted are norms, softmax, rotation, activations and top-k, which are linear in the tokens
// and under one percent of a layer at the shapes of `models.ts`.
import { layerWeights, type DecoderShape } from './shape.js';
import { tokensOfLayers, type Stage } from './stages.js';
import type { Tokens } from './paper.js';

/**
 * Where the tokens of a stage at layer K leave:
 * - `boundary`: between layers K−1 and K, the paper's accounting;
 * - `attention`: right after the attention of layer K−1, so that its output projection and MLP already run on the
 *   kept tokens. Same result; this is what the rewrite does with GroupQueryAttention;
 * - `queries`: as `attention`, and the dropped tokens' queries of layer K−1 are left out too; the last token's are
 *   computed once more, to rank. This is what the rewrite does with MultiHeadAttention, Attention and decomposed
 *   attention where q has a projection of its own. (Where q, k and v are one, only the attention is saved.)
 */
export type Cut = 'boundary' | 'attention' | 'queries';

/** What is counted, and how. */
export interface CostOptions {
  /** Default `attention`. */
  readonly cut?: Cut;
  /** On which tokens the LM head runs: default `all` kept tokens, as in an export without `num_logits_to_keep`. */
  readonly lmHead?: 'all' | 'last' | 'none';
  /** Whether after the last layer's attention `all` tokens go on (default) or only the `last`, for generation. */
  readonly tail?: 'all' | 'last';
  /**
   * How attention is counted: `dense` (default), every query against every key, as in the paper and as CPU kernels
   * compute it; or `causal`, only the pairs that the causal mask and the sliding window allow, the least possible.
   */
  readonly attention?: 'dense' | 'causal';
  /** Whether ranking by attention is counted (default true; a stage at K = 0 has none). */
  readonly selection?: boolean;
}

/** MACs of one call, by what they are spent on. */
export interface Macs {
  /** q, k, v and output projections. */
  readonly projections: number;
  /** q·k and attention·v. */
  readonly attention: number;
  readonly mlp: number;
  readonly lmHead: number;
  /** The last token's row over all keys, for ranking. */
  readonly selection: number;
  readonly total: number;
}

/**
 * Floating-point operations of so many multiply-accumulates.
 * @example
 * flops(prefillMacs(shape, { text: 36, image: 576 }).total);
 */
export function flops(macs: number): number {
  return 2 * macs;
}

/**
 * MACs of a prefill of one row.
 * @param tokens text (everything that is no image token) and image tokens of the call
 * @param stages pruning stages, ascending; none: the unpruned decoder
 * @example
 * const { shape } = knownModel('llava-1.5-7b');
 * const { total } = prefillMacs(shape, { text: 36, image: 576 }, [{ layer: 2, ratio: 0.5 }]);
 */
export function prefillMacs(
  shape: DecoderShape,
  tokens: Tokens,
  stages: readonly Stage[] = [],
  options: CostOptions = {},
): Macs {
  const entering = tokensOfLayers(shape.layers, tokens, stages).map((layer) => layer.total);
  const cuts = stages.map((stage) => stage.layer);
  return macsOfLayers(shape, entering, cuts, options);
}

/**
 * MACs of a prefill of one row whose layers saw so many tokens, whatever decided that.
 * @param tokens the tokens that each layer started with
 * @param cuts K of each pruning stage
 * @example
 * macsOfLayers(shape, [612, 612, ...Array(30).fill(324)], [2]);
 */
export function macsOfLayers(
  shape: DecoderShape,
  tokens: readonly number[],
  cuts: readonly number[] = [],
  options: CostOptions = {},
): Macs {
  const { cut = 'attention', lmHead = 'all', tail = 'all', attention = 'dense', selection = true } = options;
  const weights = layerWeights(shape);
  const sum = { projections: 0, attention: 0, mlp: 0, lmHead: 0, selection: 0 };
  let leaving = tokens[0] ?? 0;

  for (const [layer, n] of tokens.entries()) {
    const next = tokens[layer + 1] ?? n;
    const cutHere = cut !== 'boundary' && cuts.includes(layer + 1);
    const last = layer === shape.layers - 1;
    // tokens whose attention result is needed, and tokens that go through the output projection and the MLP
    const queries = cutHere && cut === 'queries' ? next : n;
    leaving = last && tail === 'last' ? Math.min(n, 1) : cutHere ? next : n;
    const window = shape.slidingWindow?.[layer] ?? null;
    // which queries stay is only known at run time, so pairs are counted as an even share of all of them
    const pairs = attention === 'dense' ? n * n : causalPairs(n, window);
    sum.projections += queries * weights.query + n * weights.keyValue + leaving * weights.output;
    sum.attention += n === 0 ? 0 : 2 * shape.heads * shape.headDim * pairs * (queries / n);
    sum.mlp += leaving * weights.mlp;
    if (selection && cuts.includes(layer + 1)) {
      sum.selection += shape.heads * shape.headDim * n + (cut === 'queries' ? weights.query : 0);
    }
  }
  const rows = lmHead === 'none' ? 0 : lmHead === 'last' ? Math.min(leaving, 1) : leaving;
  sum.lmHead = rows * shape.hidden * shape.vocab;
  return total(sum);
}

/**
 * MACs of decoding one token.
 * @param cacheLengths past tokens a layer, see {@link kvCacheLengths}
 * @example
 * decodeMacs(shape, kvCacheLengths(shape, { text: 36, image: 576 }, [{ layer: 2, ratio: 0.5 }]));
 */
export function decodeMacs(shape: DecoderShape, cacheLengths: readonly number[]): Macs {
  const weights = layerWeights(shape);
  const perLayer = weights.query + weights.keyValue + weights.output;
  let attention = 0;
  for (const past of cacheLengths) attention += 2 * shape.heads * shape.headDim * (past + 1);
  return total({
    projections: shape.layers * perLayer,
    attention,
    mlp: shape.layers * weights.mlp,
    lmHead: shape.hidden * shape.vocab,
    selection: 0,
  });
}

/**
 * KV-cache entries (tokens) of each layer after a prefill and `generated` decoding steps.
 * @example
 * kvCacheLengths(shape, { text: 36, image: 576 }, [{ layer: 2, ratio: 0.5 }]); // [612, 612, 324, …]
 */
export function kvCacheLengths(
  shape: DecoderShape,
  tokens: Tokens,
  stages: readonly Stage[] = [],
  generated = 0,
): number[] {
  return tokensOfLayers(shape.layers, tokens, stages).map((layer) => layer.total + generated);
}

/**
 * Bytes of the KV cache, a layer and in all. `lengths` as from {@link kvCacheLengths}.
 * @example
 * kvCacheBytes(shape, kvCacheLengths(shape, { text: 36, image: 576 })).total;
 */
export function kvCacheBytes(
  shape: DecoderShape,
  lengths: readonly number[],
): { layers: number[]; total: number } {
  const perToken = 2 * shape.kvHeads * shape.headDim * shape.kvBytesPerElement;
  const layers = lengths.map((length) => length * perToken);
  return { layers, total: layers.reduce((a, b) => a + b, 0) };
}

/** Query–key pairs that a causal mask allows among n tokens, each seeing at most `window` of them. */
function causalPairs(n: number, window: number | null): number {
  const w = window === null ? n : Math.min(n, window);
  return (w * (w + 1)) / 2 + (n - w) * w;
}

function total(parts: Omit<Macs, 'total'>): Macs {
  const { projections, attention, mlp, lmHead, selection } = parts;
  return { ...parts, total: projections + attention + mlp + lmHead + selection };
}
