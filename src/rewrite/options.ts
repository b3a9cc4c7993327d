// What a rewrite is asked for, and what it says of itself.
import type { PerImage, Standing, Strategy, StrategyName } from '../strategies/unlisted.js';
import type { QuotaArithmetic } from './quota.js';

/** One place where tokens are pruned. */
export interface Stage {
  /** K: layers 0…K−1 see every token that is left, layer K and later ones only the kept ones. */
  readonly layer: number;
}

/** What is to be done to a decoder. */
export interface RewriteOptions extends Standing {
  /** Pruning stages with ascending K; plain FastV has one. */
  readonly stages: readonly Stage[];
  /**
   * What ranks the image tokens: a strategy or its name. One that ranks outside the graph (`random`, `grid`) makes it
   * take scores, as `external` does.
   */
  readonly strategy?: StrategyName | 'external' | (string & {}) | Strategy;
  /**
   * Whether the caller tells images apart (input `image_token_segments`). Default: only for a strategy that needs it;
   * elsewhere an image is a run of image tokens.
   */
  readonly segments?: boolean;
  /**
   * Shares for the images of a row: `even`, the same for each, or by the `attention` that the last token pays them; one
   * token at least. Set strategies then pick from each image by itself. Default: from the row as a whole.
   */
  readonly perImage?: PerImage;
  /** Whether rows keep as many tokens as hold a share of the attention (input `attention_mass`); default: no. */
  readonly mass?: boolean;
  /** `drop` (default) shortens the sequence; `mask` keeps it and hides the same tokens, to prove that both agree. */
  readonly mode?: 'drop' | 'mask';
  /** How quotas are counted: `integer` for runtimes without float64 kernels, such as ONNX Runtime Web. */
  readonly quota?: QuotaArithmetic;
  /**
   * Whether layer K−1 computes queries for the kept tokens only (default true), where that gives the same result
   * (`queries.ts`); the report says where it does.
   */
  readonly earlyQueries?: boolean;
}

/** What was done at one stage. */
export interface StageReport {
  /** K */
  readonly layer: number;
  /** The tensor after which the cut falls. */
  readonly after: string;
  /** Whose queries layer K−1 computes, besides the last token's. */
  readonly queries: 'kept' | 'all';
  /** Why those of all tokens. */
  readonly queriesReason?: string;
}

/** What was done, for people and for `--json`. */
export interface RewriteReport {
  readonly layers: number;
  readonly stages: readonly StageReport[];
  /** The strategy that was asked for, also where the caller ranks and the graph takes scores. */
  readonly strategy: string;
  /** What kept tokens stand for; absent where for themselves. */
  readonly weights?: 'sizes';
  readonly merge?: 'mean';
  /** How images share what is kept; absent where they do not. */
  readonly perImage?: PerImage;
  /** Present where a row's attention says how many tokens it keeps. */
  readonly mass?: true;
  readonly mode: 'drop' | 'mask';
  /** Nodes before and after. */
  readonly nodes: { readonly before: number; readonly after: number };
}
