// Dropping mode: after each stage only the kept tokens go on.
import type { NodeProto } from 'onnx-buf';
import type { AttentionCore } from '../decoder/attention/core.js';
import { IMAGE_TOKEN_MASK, IMAGE_TOKEN_SCORES } from '../decoder/contract.js';
import type { Emitter } from '../onnx/index.js';
import type { Plan } from './plan.js';
import { Sequence } from './sequence.js';
import type { Finished, Tokens } from './tokens.js';

/** The tokens of a call before the first stage. */
export function allTokens(plan: Plan, emit: Emitter, needsScores = false): Tokens {
  return new LeftTokens(plan, emit, needsScores, [Sequence.whole(plan.partition, emit)], {
    imageTokenMask: IMAGE_TOKEN_MASK,
    scores: IMAGE_TOKEN_SCORES,
    keptIndices: '',
  });
}

/** What is known of each token. */
interface Known {
  readonly imageTokenMask: string;
  readonly scores: string;
  /** Their places in the call's sequence; '' where they are all. */
  readonly keptIndices: string;
}

class LeftTokens implements Tokens {
  readonly imageTokenMask: string;
  readonly scores: string;
  readonly #plan: Plan;
  readonly #emit: Emitter;
  readonly #needsScores: boolean;
  /** The sequence of every stage so far; the last one is that of these tokens. */
  readonly #sequences: readonly [Sequence, ...Sequence[]];
  readonly #keptIndices: string;

  constructor(
    plan: Plan,
    emit: Emitter,
    needsScores: boolean,
    sequences: readonly [Sequence, ...Sequence[]],
    { imageTokenMask, scores, keptIndices }: Known,
  ) {
    this.#plan = plan;
    this.#emit = emit;
    this.#needsScores = needsScores;
    this.#sequences = sequences;
    this.imageTokenMask = imageTokenMask;
    this.scores = scores;
    this.#keptIndices = keptIndices;
  }

  get #sequence(): Sequence {
    return this.#sequences.at(-1) ?? this.#sequences[0];
  }

  length(): string {
    return this.#emit.reshape(this.#sequence.length(), this.#emit.ints(1));
  }

  mask(): string {
    return this.#sequence.mask();
  }

  inPlace({ node }: AttentionCore): NodeProto {
    return this.#sequence.inPlace(node);
  }

  positions(core: AttentionCore): string {
    return this.#sequence.inOpPositions(core);
  }

  rowSource(): string | undefined {
    const queries = this.#plan.stages[this.#sequence.stage]?.queries;
    return typeof queries === 'object' ? queries.lastRow(this.#sequence, this.#emit) : undefined;
  }

  activation(tensor: string): string {
    return this.#sequence.ahead(tensor);
  }

  keep(indices: string): Tokens {
    const kept = this.#sequence.after(indices);
    return new LeftTokens(this.#plan, this.#emit, this.#needsScores, [...this.#sequences, kept], {
      imageTokenMask: kept.gather(this.imageTokenMask),
      scores: this.#needsScores ? kept.gather(this.scores) : this.scores,
      keptIndices: this.#keptIndices === '' ? indices : kept.gather(this.#keptIndices),
    });
  }

  finish(): Finished {
    const { partition, decoder, stages } = this.#plan;
    const sides = new Map(
      stages.flatMap(({ queries: side }) =>
        typeof side === 'string' ? [] : side.nodes.map((node) => [node, side] as const),
      ),
    );
    const replace = new Map<NodeProto, NodeProto>();
    for (const node of decoder.graph.nodes) {
      const sequence = this.#sequences[partition.stageOf(node)];
      if (sequence === undefined || sequence.stage === 0) continue;
      const side = sides.get(node);
      replace.set(
        node,
        side === undefined ? sequence.inPlace(node) : side.inPlace(node, sequence, this.#emit),
      );
    }
    const axisSuffix = (layer: number): string => {
      const stage = partition.stageOfLayer(layer);
      return stage === 0 ? '' : `_kept${stage > 1 ? `_${stage}` : ''}`;
    };
    return { replace, keptIndices: this.#keptIndices, axisSuffix };
  }
}
