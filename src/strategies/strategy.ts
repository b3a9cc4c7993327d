// What a pruning strategy is: one file that gives every token a score, either inside the graph, from what is known at
// layer K, or outside of it, from how the image tokens lie. This is the interface that strategies are written against.
import type { Emitter } from '../onnx/index.js';

/** What a strategy in the graph may look at. Everything is emitted when it is asked for: what is not used costs nothing. */
export interface StageContext {
  /** Makes nodes. */
  readonly emit: Emitter;
  /** Which cut it is, from 0. */
  readonly stage: number;
  /** Which tokens are image tokens: bool [batch, sequence]. */
  readonly imageTokenMask: string;
  /**
   * The attention that the last token pays to this call's tokens at layer K−1, mean over heads: float32 [batch, sequence].
   * NaN where it pays the row's image tokens none, by which they could be ranked by place only.
   */
  lastRowAttention(): string;
  /** The same, a row a head: float32 [batch, heads, sequence]. */
  lastRowHeads(): string;
  /**
   * Attention that tokens pay to this call's tokens at layer K−1, a row a head, mean over these tokens: the last one
   * (`last`), or the text behind the row's last image token, of the last {@link MOST_ROWS} tokens (`text`; the last token
   * where there is none). `text` needs {@link GraphStrategy.needsQueries}.
   * @param heads of all heads the share that gives image tokens most, rounded up; default: all
   * @returns float32 [batch, heads, sequence]
   */
  attentionRows(which: 'last' | 'text', heads?: number): string;
  /** Which of this call's tokens are there, and no padding: bool [batch, sequence]. */
  attended(): string;
  /** This call's keys at layer K−1, rotated: [batch, KV heads, sequence, head size], in the model's element type. */
  keys(): string;
  /** This call's values at layer K−1: [batch, KV heads, sequence, head size], in the model's element type. */
  values(): string;
  /**
   * The last token's queries at layer K−1 before their rotation: float32 [batch, heads, 1, head size]. It needs
   * {@link GraphStrategy.needsQueries}.
   * @throws {FastvError} `unsupported-decoder` for a graph that does not have them apart
   */
  unrotatedQuery(): string;
  /** This call's keys at layer K−1 before their rotation: float32 [batch, KV heads, sequence, head size]. Throws as above. */
  unrotatedKeys(): string;
  /** cos and sin of the rotation of this call's keys: float32 [batch or 1, sequence, pairs or head size]. Throws as above. */
  rotation(): { readonly cos: string; readonly sin: string };
  /** Which image each token is of. */
  segments(): Segments;
  /** How images share what is kept; undefined where they do not, and tokens are picked from the row as a whole. */
  perImage(): ImageShares | undefined;
  /** What tokens are compared by: the mean over KV heads of {@link keys}, rows of length 1; float32 [batch, sequence, head size]. */
  features(): string;
  /** The residual stream that goes into layer K−1 (K = 0: the embeddings): [batch, sequence, hidden], in the model's element type. */
  residualBefore(): string;
  /** The residual stream behind layer K−1, as above. It costs the rest of that layer for all tokens. */
  residual(): string;
  /** How many image tokens each row will keep: by its ratio, its last token and the batch it is in. int64 [batch]. */
  keepCount(): string;
  /** The caller's scores, as the graph's input `image_token_scores`: float32 [batch, sequence]. */
  callerScores(): string;
}

/** Rows of text that {@link StageContext.attentionRows} looks at, at most. */
export const MOST_ROWS = 32;

/** Which image (frame, tile) the tokens of a row are of, each int64 [batch, sequence]. */
export interface Segments {
  /** From 1 in the order of the row; 0 where a token is no image token. */
  readonly image: string;
  /**
   * Row and column in that image, from 0, where the caller says so (input `image_token_segments`). Without, images are
   * runs of image tokens, and these are undefined.
   */
  readonly grid: { readonly row: string; readonly column: string } | undefined;
}

/** Shares of the images of a row. */
export interface ImageShares {
  /** As {@link Segments.image}. */
  readonly image: string;
  /** What its image weighs, 0 … 1, the same for all tokens of one: float32 [batch, sequence]. */
  readonly weight: string;
}

/** What every strategy says of itself. */
interface Named {
  /** Short, lower case, with hyphens: what `--strategy` takes and conditions are called by. */
  readonly name: string;
  /** One line for `--help`. */
  readonly description: string;
  /** Whether sweeps run it beside whatever is asked for, as a bound that a better strategy has to beat. */
  readonly baseline?: boolean;
}

/** A strategy that ranks inside the graph, from what the decoder computes. */
export interface GraphStrategy extends Named {
  readonly where: 'graph';
  /** Whether it looks at layer K−1, so that K must be at least 1. */
  readonly needsLayer: boolean;
  /** Whether the caller must bring `image_token_scores`; default: no. */
  readonly needsScores?: boolean;
  /** Whether the caller must bring `image_token_segments`; default: no. */
  readonly needsSegments?: boolean;
  /** Whether it looks at queries of other tokens than the last, or before their rotation; default: no. Layer K−1 then computes all. */
  readonly needsQueries?: boolean;
  /**
   * Emits the scores: float32 [batch, sequence], higher is kept longer. A strategy that picks a set instead of ranking
   * gives the members of the set higher scores than the rest, in the order in which it picked them.
   */
  score(context: StageContext): string;
}

/** One image (or one tile or frame of one) among the tokens of a row: `rows` × `columns`, row by row. */
export interface ImageTokens {
  /** Places in the row, ascending. */
  readonly positions: readonly number[];
  readonly rows: number;
  readonly columns: number;
}

/** One row of a call, as a strategy outside the graph sees it. */
export interface TokenRow {
  /** All its tokens: text, images and padding. */
  readonly length: number;
  readonly images: readonly ImageTokens[];
}

/** What decides a draw: the same draw gives the same scores. */
export interface Draw {
  readonly seed: number;
  /** The row in its batch; 0 for a row with a seed of its own, which is then drawn as if it were alone. */
  readonly row: number;
}

/** A strategy that ranks outside the graph, which is given its scores as `image_token_scores`. It needs no layer. */
export interface CallerStrategy extends Named {
  readonly where: 'caller';
  /** Whether it draws, so that one seed says nothing of it; default: no. */
  readonly seeded?: boolean;
  /** A score for each token of a row, higher is kept longer; those of other than image tokens do not count. */
  scores(row: TokenRow, draw: Draw): Float32Array;
}

/**
 * A pruning strategy. To add one, write a file like `key-norm.ts` or `grid.ts` and list it in `list.ts`. Which tokens
 * are image tokens, how many of them go, batches, ties, positions and caches are the same for all strategies.
 */
export type Strategy = GraphStrategy | CallerStrategy;
