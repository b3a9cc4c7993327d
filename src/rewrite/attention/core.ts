// The attention core of a layer: what the rewrite needs to know of it, whatever operator computes it.
import type { NodeProto } from 'onnx-buf';

/** How a layer's attention is written in the graph. */
export type AttentionKind = 'GroupQueryAttention' | 'MultiHeadAttention' | 'Attention' | 'decomposed';

/** The attention of one layer, from its KV cache to the tensor after which its tokens no longer mix. */
export interface AttentionCore {
  readonly kind: AttentionKind;
  readonly layer: number;
  /** The operator; for decomposed attention the MatMul of probabilities and values. */
  readonly node: NodeProto;
  /** Decomposed attention only: its Softmax. */
  readonly softmax?: NodeProto;
  /** The keys of past and present, rotated: [batch, KV heads, total, head size]. */
  readonly keys: string;
  /** The attention's result with the sequence on axis 1: [batch, sequence, …]. The cut falls right after it. */
  readonly output: string;
  /** Whether the result (before {@link output}) and the query are [batch, heads, sequence, head size]. */
  readonly fourAxes: boolean;
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
  /** Query heads; undefined where the graph does not say. */
  readonly heads: number | undefined;
  readonly kvHeads: number | undefined;
  readonly headSize: number | undefined;
  /** `in-op`: the operator rotates q and k itself. `outside`: they arrive rotated, or the model has no rotation. */
  readonly rotation: 'in-op' | 'outside';
}
