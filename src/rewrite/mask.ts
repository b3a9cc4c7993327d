// Masking mode: the tokens that dropping mode would drop stay in the sequence, but no layer from K on attends to them.
// It saves nothing; it is there to prove that dropping computes the same thing.
//
// Later calls must not attend to lost tokens either, and the contract has no input that would tell them. The cache
// does: a lost token's key is stored as zeros in layers from K on, which no real key is.
//
// Limits: a local window counts every token here, only the kept ones in dropping mode; MultiHeadAttention with a bias
// on its keys is refused.
import type { AttentionCore, Hidden } from '../decoder/attention/core.js';
import {
  ATTENTION_MASK,
  EMBEDS,
  IMAGE_TOKEN_MASK,
  IMAGE_TOKEN_SCORES,
  IMAGE_TOKEN_SEGMENTS,
} from '../decoder/contract.js';
import { DataType, type Emitter, type NodeProto } from '../onnx/index.js';
import type { Plan } from './plan.js';
import { Sequence } from './sequence.js';
import type { Finished, Tokens } from './tokens.js';

/** The tokens of a call before the first stage, none of them hidden. */
export function visibleTokens(plan: Plan, emit: Emitter, segments = false): Tokens {
  return new VisibleTokens(plan, emit, segments, 0, new Map(), '', undefined);
}

class VisibleTokens implements Tokens {
  readonly imageTokenMask: string;
  readonly scores = IMAGE_TOKEN_SCORES;
  readonly segments: string | undefined;
  readonly #plan: Plan;
  readonly #emit: Emitter;
  readonly #stage: number;
  /** Nodes that hide tokens. */
  readonly #changed: ReadonlyMap<NodeProto, NodeProto>;
  readonly #keptIndices: string;
  readonly #hidden: Hidden | undefined;

  constructor(
    plan: Plan,
    emit: Emitter,
    segments: boolean,
    stage: number,
    changed: ReadonlyMap<NodeProto, NodeProto>,
    keptIndices: string,
    hidden: Hidden | undefined,
  ) {
    this.#plan = plan;
    this.#emit = emit;
    this.segments = segments ? IMAGE_TOKEN_SEGMENTS : undefined;
    this.#stage = stage;
    this.#changed = changed;
    this.#keptIndices = keptIndices;
    this.#hidden = hidden;
    this.imageTokenMask =
      hidden === undefined
        ? IMAGE_TOKEN_MASK
        : emit.op('And', [IMAGE_TOKEN_MASK, emit.op('Not', [hidden.lost])]);
  }

  get lost(): string | undefined {
    return this.#hidden?.lost;
  }

  length(): string {
    return this.#emit.dim1(EMBEDS, 1);
  }

  mask(): string {
    if (this.#hidden === undefined) return ATTENTION_MASK;
    const emit = this.#emit;
    const attended = emit.cast(ATTENTION_MASK, DataType.BOOL);
    const visible = emit.op('And', [attended, emit.op('Not', [this.#hidden.lostTotal])]);
    return emit.cast(visible, DataType.INT64);
  }

  inPlace({ node }: AttentionCore): NodeProto {
    return this.#changed.get(node) ?? node;
  }

  positions(core: AttentionCore): string {
    return Sequence.whole(this.#plan.partition, this.#emit).inOpPositions(core);
  }

  rowSource(): undefined {
    return undefined;
  }

  activation(tensor: string): string {
    return tensor;
  }

  keep(indices: string): Tokens {
    const { partition, decoder } = this.#plan;
    const emit = this.#emit;
    const stage = this.#stage + 1;
    const hidden = hide(emit, indices, partition.pastKey(stage));
    const changed = new Map(this.#changed);
    for (const { index, attention: core } of decoder.layers) {
      if (core === undefined || partition.stageOfLayer(index) !== stage) continue;
      const hiding = core.kind.hide({ emit, graph: decoder.graph, core, hidden });
      for (const [node, other] of hiding) changed.set(node, other);
    }
    const segments = this.segments !== undefined;
    return new VisibleTokens(this.#plan, emit, segments, stage, changed, indices, hidden);
  }

  finish(): Finished {
    return { replace: this.#changed, keptIndices: this.#keptIndices, axisSuffix: () => '' };
  }
}

function hide(emit: Emitter, kept: string, pastKey: string): Hidden {
  const shape = emit.op('Shape', [IMAGE_TOKEN_MASK]);
  const none = emit.op('Expand', [emit.float(0), shape]);
  const ones = emit.op('Expand', [emit.float(1), emit.op('Shape', [kept])]);
  const keep = emit.op('ScatterElements', [none, kept, ones], { attributes: { axis: 1n } });
  const lost = emit.op('Equal', [keep, emit.float(0)]);
  const sizes = emit.op('Abs', [emit.cast(pastKey, DataType.FLOAT)]);
  const largest = emit.reduce('ReduceSum', sizes, [1, 3], false); // [batch, past]
  return { lost, lostTotal: emit.concat([emit.op('Equal', [largest, emit.float(0)]), lost], 1) };
}
