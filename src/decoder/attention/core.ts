// The attention of a layer, whatever operator computes it, and what a kind of attention has to offer. A kind is one
// file beside this one and a line in find.ts; nothing else in the project asks which kind an attention is.
import type { DataType, Emitter, GraphView, NodeProto } from '../../onnx/index.js';

/** The names of one layer's KV cache. */
export interface CacheNames {
  readonly layer: number;
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

/** The attention of one layer, from its KV cache to the tensor after which its tokens no longer mix. */
export interface AttentionCore extends CacheNames {
  readonly kind: AttentionKind;
  /** The operator; for decomposed attention the MatMul of probabilities and values. */
  readonly node: NodeProto;
  /** The element type in which queries and keys are multiplied. */
  readonly elementType: DataType;
  /** The keys of past and present, rotated: [batch, KV heads, total, head size]. */
  readonly keys: string;
  /** This call's keys in front of the cache, and all queries, as they meet; '' where they are packed with others. */
  readonly newKeys: string;
  readonly queries: string;
  /** The attention's result with the sequence on axis 1: [batch, sequence, …]. The cut falls right after it. */
  readonly output: string;
  /** What the last token's attention is computed from: the operator's queries, or the probabilities of the real keys. */
  readonly rowSource: string;
  /** Decomposed attention only: the node that takes the masked scores first, a Softmax or the Concat that adds a sink. */
  readonly scoresUser?: NodeProto;
  /** Queries and result of the node: [batch, sequence, heads · head size] or [batch, heads, sequence, head size]. */
  readonly layout: 'BSH' | 'BNSH';
  /** Whether the operator keeps the KV cache itself. */
  readonly cacheInside: boolean;
  /** Whether the operator masks the future by the places of its queries. */
  readonly causal: boolean;
  /** Query heads; undefined where the graph does not say. */
  readonly heads: number | undefined;
  readonly kvHeads: number | undefined;
  readonly headSize: number | undefined;
  /** `in-op`: the operator rotates q and k itself. `outside`: they arrive rotated, or the model has no rotation. */
  readonly rotation: 'in-op' | 'outside';
}

/** Who takes a layer's keys. */
export interface KeyUse {
  /** The node where queries and keys meet: an operator, or a MatMul. */
  readonly node: NodeProto;
  /** The Concat of past and new keys in front of it; undefined where the operator keeps the cache. */
  readonly concat: NodeProto | undefined;
}

/** What a kind needs to compute the last token's attention. */
export interface RowContext {
  readonly emit: Emitter;
  /** The original graph, in which the core was found. */
  readonly graph: GraphView;
  readonly core: AttentionCore;
  /** The attention operator with the inputs it has where it stands (after other cuts these are not the original ones). */
  readonly node: NodeProto;
  /** The attention mask of the sequence at this layer: int64 [batch, total]. */
  readonly mask: string;
  /** Positions of this call's tokens, for rotation inside the operator: int64 [batch, sequence]. */
  readonly positions: () => string;
  /**
   * What takes the place of {@link AttentionCore.rowSource}, where the last token's is there apart from the others'. Its
   * last entry on the query axis is the last token's.
   */
  readonly rowSource?: string | undefined;
  /** How many of the last tokens' rows are wanted: int64 [1]; default: that of the last token alone. */
  readonly count?: string;
  /** Whether {@link AttentionKind.biasKeys} has put a bias into the operator's mask, so that it is a float one. */
  readonly weighed?: boolean;
}

/** Rows of attention: float32 [batch, …heads, total], or [batch, heads, rows, total] of several tokens. */
export interface HeadRows {
  readonly rows: string;
  /** The axes of heads: one, or two where heads are grouped by the KV head that they share. */
  readonly headAxes: readonly number[];
}

/** Tokens that masking mode hides. */
export interface Hidden {
  /** Tokens of this call that are lost: bool [batch, sequence]. */
  readonly lost: string;
  /** The same for past and this call: bool [batch, total]. */
  readonly lostTotal: string;
}

export interface HideContext {
  readonly emit: Emitter;
  readonly graph: GraphView;
  readonly core: AttentionCore;
  readonly hidden: Hidden;
}

/** What a kind needs to weigh keys. */
export interface BiasContext {
  readonly emit: Emitter;
  readonly graph: GraphView;
  readonly core: AttentionCore;
  /** {@link AttentionKind.biasedNode} with the inputs that it has where it stands. */
  readonly node: NodeProto;
  /** What is added: float32 [batch, total]. */
  readonly bias: string;
  /** How many queries there are: int64 [1]. */
  readonly queries: string;
}

/** A way in which attention is written, and what can be done to it. */
export interface AttentionKind {
  /** The operator's name, or `decomposed`. */
  readonly name: string;
  /** Whether it is an operator that can keep the KV cache itself. */
  readonly canKeepCache: boolean;
  /** Whether a node is where attention of this kind takes its keys. */
  takes(node: NodeProto): boolean;
  /** @throws {FastvError} `unsupported-decoder`, naming the node that was not understood and what was expected */
  find(graph: GraphView, cache: CacheNames, use: KeyUse): AttentionCore;
  /**
   * Emits the attention of the last token, or of the last few, to every token, a row a head, after softmax, in float32.
   * @throws {FastvError} `unsupported-decoder` for a variant whose row cannot be told
   */
  rows(context: RowContext): HeadRows;
  /** Makes a layer blind to hidden tokens, and marks them by keys of zeros. Gives the nodes that change. */
  hide(context: HideContext): ReadonlyMap<NodeProto, NodeProto>;
  /** The node that {@link biasKeys} changes. */
  biasedNode(core: AttentionCore): NodeProto;
  /**
   * That node, as it stands in its place, with a bias on the scores of each key behind everything that is done to them
   * before their softmax (a softcap: ONNX Runtime puts all masks behind it, `Attention`'s too).
   */
  biasKeys(context: BiasContext): NodeProto;
  /** Why it needs the queries of all tokens, whatever surrounds it; undefined where those of some are enough. */
  allQueries(core: AttentionCore): string | undefined;
  /** The operator with its cache outside; what it needs besides is left in `emit` (`cache-outside.ts`). */
  cacheOutside?(emit: Emitter, graph: GraphView, core: AttentionCore): NodeProto;
  /**
   * Queries and keys of an operator that rotates inside, as they are before: [batch, sequence, heads · head size].
   * @param take gives a tensor of the original graph, as it is for the tokens at hand
   */
  unrotated?(
    emit: Emitter,
    core: AttentionCore,
    take: (tensor: string) => string,
  ): { readonly queries: string; readonly keys: string; readonly cos: string; readonly sin: string };
  /** The positions by which the operator rotates this call's tokens: int64 [batch, sequence]. */
  positions?(emit: Emitter, graph: GraphView, core: AttentionCore): string;
  /** The operator, as it stands in its place, with the rotation by given positions in front of it. */
  rotateOutside?(
    emit: Emitter,
    graph: GraphView,
    core: AttentionCore,
    node: NodeProto,
    positions: string,
  ): NodeProto;
}
