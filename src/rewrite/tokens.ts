// The tokens that a stage chooses from. Dropping (drop.ts) and masking (mask.ts) are two ways to go on from there.
import type { NodeProto } from '../onnx/index.js';
import type { AttentionCore } from '../decoder/attention/core.js';

export interface Tokens {
  /** Which of them are image tokens that may be dropped: bool [batch, sequence]. */
  readonly imageTokenMask: string;
  /** The caller's scores: float32 [batch, sequence]. */
  readonly scores: string;
  /** Image, row and column of each: int64 [batch, sequence, 3]; undefined where the caller does not say. */
  readonly segments: string | undefined;
  /** Masking only: which are lost already, bool [batch, sequence]. */
  readonly lost?: string | undefined;
  /** How many there are: int64 [1]. */
  length(): string;
  /** The attention mask over past and this call: int64 [batch, total]. */
  mask(): string;
  /** Whether their attention counts what they stand for. */
  readonly weighed?: boolean;
  /** An attention operator with the inputs that it has here. */
  inPlace(core: AttentionCore): NodeProto;
  /** The positions by which an operator with rotation inside rotates: int64 [batch, sequence]. */
  positions(core: AttentionCore): string;
  /** What the last token's attention is computed from, where that is there apart from the other tokens'. */
  rowSource(): string | undefined;
  /**
   * An activation of the original graph for these tokens, of whatever layer, or what the graph makes of their positions.
   * @param rotates whether it goes into a rotation
   */
  activation(tensor: string, rotates?: boolean): string;
  /**
   * The tokens that are left.
   * @param indices their places among these, ascending: int64 [batch, kept]
   * @param residual the residual stream, by which dropped tokens join kept ones: [batch, sequence, hidden]
   */
  keep(indices: string, residual?: () => string): Tokens;
  /** What becomes of the graph once every stage has chosen. */
  finish(): Finished;
}

export interface Finished {
  /** What stands in place of the graph's nodes. */
  readonly replace: ReadonlyMap<NodeProto, NodeProto>;
  /** Kept places in this call's sequence after the last stage: int64 [batch, kept]. */
  readonly keptIndices: string;
  /** How the names of symbolic axes change for the cache of a layer: a suffix, or ''. */
  readonly axisSuffix: (layer: number) => string;
}
