// What a pruning strategy is: one file that turns what is known at layer K into a score for every token.
import type { Emitter } from '../../onnx/index.js';

/** What a strategy may look at. Everything is emitted when it is asked for, so that what is not used costs nothing. */
export interface StageContext {
  /** Makes nodes. */
  readonly emit: Emitter;
  /** Which tokens are image tokens: bool [batch, sequence]. */
  readonly imageTokenMask: string;
  /** The attention that the last token pays to this call's tokens at layer K−1, mean over heads: float32 [batch, sequence]. */
  lastRowAttention(): string;
  /** The same, a row a head: float32 [batch, heads, sequence]. */
  lastRowHeads(): string;
  /** This call's keys at layer K−1, rotated: [batch, KV heads, sequence, head size], in the model's element type. */
  keys(): string;
  /** What tokens are compared by: the mean over KV heads of {@link keys}, rows of length 1; float32 [batch, sequence, head size]. */
  features(): string;
  /** The residual stream that goes into layer K−1 (K = 0: the embeddings): [batch, sequence, hidden], in the model's element type. */
  hiddenBefore(): string;
  /** The residual stream behind layer K−1, as above. It costs the rest of that layer for all tokens. */
  hiddenAfter(): string;
  /** How many image tokens each row keeps by its ratio; a batch may keep more of a row. int64 [batch]. */
  quota(): string;
  /** The caller's scores, as the graph's input `image_token_scores`: float32 [batch, sequence]. */
  callerScores(): string;
}

/**
 * A pruning strategy. To add one, write a file like `key-norm.ts` and list it in `index.ts`; which image tokens go,
 * how many, batches, ties, positions and caches are the same for all of them and done in `select.ts` and `sequence.ts`.
 */
export interface Strategy {
  readonly name: string;
  /** One line for `--help`. */
  readonly description: string;
  /** Whether it looks at layer K−1, so that K must be at least 1. */
  readonly needsLayer: boolean;
  /** Whether the caller must bring `image_token_scores`. */
  readonly needsScores: boolean;
  /**
   * Emits the scores: float32 [batch, sequence], higher is kept longer. A strategy that picks a set instead of ranking
   * gives the members of the set higher scores than the rest, in the order in which it picked them.
   */
  score(context: StageContext): string;
}
