// The attention core of a layer: what the rewrite needs to know of it, whatever operator computes it.
import type { NodeProto } from 'onnx-buf';
import type { DataType } from '../../onnx/index.js';

/** How a layer's attention is written in the graph. */
export type AttentionKind = 'GroupQueryAttention' | 'MultiHeadAttention' | 'Attention' | 'decomposed';

/** The inside of decomposed attention. */
export interface Decomposed {
  /** The node that takes the masked scores as its first input: the Softmax, or the Concat that adds a sink to them. */
  readonly scoresUser: NodeProto;
  /** The probabilities of the real keys: [batch, heads, sequence, total], or five axes where heads are regrouped. */
  readonly probabilities: string;
}

/** The attention of one layer, from its KV cache to the tensor after which its tokens no longer mix. */
export interface AttentionCore {
  readonly kind: AttentionKind;
  readonly layer: number;
  /** The operator; for decomposed attention the MatMul of probabilities and values. */
  readonly node: NodeProto;
  /** Decomposed attention only: where its probabilities are. */
  readonly decomposed?: Decomposed;
  /** The element type in which queries and keys are multiplied. */
  readonly elementType: DataType;
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
