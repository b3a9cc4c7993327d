// What a decoder's cost depends on, read from a model's configuration or from its graph.

/** The shape of a decoder: everything that its cost depends on besides the number of tokens. */
export interface DecoderShape {
  readonly layers: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  /** Query heads. */
  readonly heads: number;
  /** Key/value heads; as many as query heads without grouping. */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Inner width of the MLP. */
  readonly mlp: number;
  /** 3 for a gated MLP (gate, up, down: LLaMA, Qwen, Gemma), 2 for a plain one. */
  readonly mlpMatrices: 2 | 3;
  /** Rows of the LM head. */
  readonly vocab: number;
  /** A layer's sliding window in tokens, null where it sees everything; absent: no layer has one. */
  readonly slidingWindow?: readonly (number | null)[];
  /** Bytes of one number in the KV cache: 2 for float16, 4 for float32. */
  readonly kvBytesPerElement: number;
}

/** Weights of one layer that each token meets once: attention projections and MLP. */
export function layerWeights(shape: DecoderShape): {
  query: number;
  keyValue: number;
  output: number;
  mlp: number;
} {
  const { hidden, heads, kvHeads, headDim } = shape;
  return {
    query: hidden * heads * headDim,
    keyValue: 2 * hidden * kvHeads * headDim,
    output: heads * headDim * hidden,
    mlp: shape.mlpMatrices * hidden * shape.mlp,
  };
}
