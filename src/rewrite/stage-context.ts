// What a strategy may look at, at one stage. Dropping and masking differ only in how things are called there.
import type { NodeProto } from 'onnx-buf';
import type { Emitter } from '../onnx/index.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import { PRUNE_RATIO } from '../decoder/contract.js';
import { EMBEDS } from '../decoder/contract.js';
import { attentionOf, type Decoder } from '../decoder/decoder.js';
import type { StageContext } from '../strategies/index.js';
import { lastRowAttention } from '../decoder/attention/rows.js';

/** The sequence as it is where a stage prunes. */
export interface StagePlace {
  /** bool [batch, sequence] */
  readonly imageTokenMask: string;
  /** The caller's scores: float32 [batch, sequence]. */
  readonly scores: string;
  /** This call's tokens: int64 [1]. */
  readonly sequenceLength: () => string;
  /** The attention mask over past and this call: int64 [batch, total]. */
  readonly mask: () => string;
  /** An attention operator with the inputs that it has here. */
  readonly inPlace: (node: NodeProto) => NodeProto;
  /** The positions by which an operator with rotation inside rotates: int64 [batch, sequence]. */
  readonly positions: (core: AttentionCore) => string;
  /** What the last token's attention is computed from, where that is there apart from the other tokens'. */
  readonly rowSource?: (() => string) | undefined;
}

/** The context of the stage that prunes after layer k − 1. */
export function stageContext(decoder: Decoder, emit: Emitter, k: number, place: StagePlace): StageContext {
  const core = (): AttentionCore => attentionOf(decoder, k - 1);
  /** The last entries of an axis that holds the cache and this call's tokens. */
  const thisCall = (tensor: string, axis: number): string =>
    emit.slice(tensor, emit.op('Neg', [place.sequenceLength()]), emit.ints(Number.MAX_SAFE_INTEGER), axis);
  return {
    emit,
    imageTokenMask: place.imageTokenMask,
    lastRowAttention: () => {
      const { node } = core();
      const row = lastRowAttention({
        emit,
        graph: decoder.graph,
        core: core(),
        node: place.inPlace(node),
        mask: place.mask(),
        positions: () => place.positions(core()),
        rowSource: place.rowSource?.(),
      });
      return thisCall(row, 1);
    },
    keys: () => thisCall(core().keys, 2),
    hidden: () => (k === 0 ? EMBEDS : core().output),
    callerScores: () => place.scores,
  };
}

/** R of a stage: float32 scalar. */
export function ratioOf(emit: Emitter, stage: number): string {
  return emit.gather(PRUNE_RATIO, emit.int(stage), 0);
}
