// What is said of where a tensor's tokens are.

/** Where the tokens of a tensor are. */
export interface TokenAxis {
  /** The number of axes; undefined where that is not known. */
  readonly rank: number | undefined;
  readonly batch: number;
  /** The tokens' axis: {@link batch} too where both are in rows, [batch · sequence, …]. */
  readonly axis: number;
  /** Whether each entry is a token; otherwise heads may lie beside them ([batch, sequence · heads, size]), in blocks. */
  readonly exact: boolean;
  /** Whether keys took part in it: then the last axis is theirs, or the values' features. */
  readonly metKeys: boolean;
}

/** `none`: one value for all tokens (a quantisation scale, say). */
export type Placed = TokenAxis | 'none' | Unclear;

/** Why an axis is unclear: a sentence that names the node. */
export class Unclear extends Error {}
