// Dropping mode: after each stage only the kept tokens go on.
import type { AttentionCore } from '../decoder/attention/core.js';
import { IMAGE_TOKEN_MASK, IMAGE_TOKEN_SCORES, IMAGE_TOKEN_SEGMENTS } from '../decoder/contract.js';
import type { Emitter, NodeProto } from '../onnx/index.js';
import type { Plan } from './plan.js';
import { Sequence, type ClusterUse } from './sequence.js';
import { clustersOf, runsOfImages, type Clusters } from './clusters.js';
import type { Finished, Tokens } from './tokens.js';

/**
 * The tokens of a call before the first stage.
 * @param brings what the caller brings besides the mask
 * @param clusters what is made of the clusters that kept tokens stand for; default: there are none
 */
export function allTokens(
  plan: Plan,
  emit: Emitter,
  brings: Brings = {},
  clusters: ClusterUse = { weigh: false, merge: false },
): Tokens {
  const needs = { scores: brings.scores === true, ...clusters };
  return new LeftTokens(plan, emit, needs, [Sequence.whole(plan.partition, emit)], {
    imageTokenMask: IMAGE_TOKEN_MASK,
    scores: IMAGE_TOKEN_SCORES,
    segments: brings.segments === true ? IMAGE_TOKEN_SEGMENTS : undefined,
    keptIndices: '',
    clusters: undefined,
  });
}

/** What the caller brings for each token. */
export interface Brings {
  readonly scores?: boolean;
  readonly segments?: boolean;
}

interface Needs extends ClusterUse {
  readonly scores: boolean;
}

/** What is known of each token. */
interface Known {
  readonly imageTokenMask: string;
  readonly scores: string;
  readonly segments: string | undefined;
  /** Their places in the call's sequence; '' where they are all. */
  readonly keptIndices: string;
  /** Sizes and images, once tokens have joined others. */
  readonly clusters: { readonly sizes: string; readonly segments: string } | undefined;
}

class LeftTokens implements Tokens {
  readonly imageTokenMask: string;
  readonly scores: string;
  readonly segments: string | undefined;
  readonly #plan: Plan;
  readonly #emit: Emitter;
  readonly #needs: Needs;
  /** The sequence of every stage so far; the last one is that of these tokens. */
  readonly #sequences: readonly [Sequence, ...Sequence[]];
  readonly #keptIndices: string;
  readonly #clusters: Known['clusters'];

  constructor(
    plan: Plan,
    emit: Emitter,
    needs: Needs,
    sequences: readonly [Sequence, ...Sequence[]],
    { imageTokenMask, scores, segments, keptIndices, clusters }: Known,
  ) {
    this.#plan = plan;
    this.#emit = emit;
    this.#needs = needs;
    this.#sequences = sequences;
    this.imageTokenMask = imageTokenMask;
    this.scores = scores;
    this.segments = segments;
    this.#keptIndices = keptIndices;
    this.#clusters = clusters;
  }

  get #sequence(): Sequence {
    return this.#sequences.at(-1) ?? this.#sequences[0];
  }

  get weighed(): boolean {
    return this.#clusters !== undefined && this.#needs.weigh;
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

  activation(tensor: string, rotates?: boolean): string {
    return this.#sequence.ahead(tensor, rotates);
  }

  keep(indices: string, residual?: () => string): Tokens {
    const { scores, weigh, merge } = this.#needs;
    const joins = residual !== undefined && (weigh || merge);
    const joined = joins ? this.#join(indices, residual()) : undefined;
    const kept = this.#sequence.after(indices, undefined, joined && { ...joined.clusters, weigh, merge });
    return new LeftTokens(this.#plan, this.#emit, this.#needs, [...this.#sequences, kept], {
      imageTokenMask: kept.gather(this.imageTokenMask),
      scores: scores ? kept.gather(this.scores) : this.scores,
      segments: this.segments === undefined ? undefined : kept.gather(this.segments),
      keptIndices: this.#keptIndices === '' ? indices : kept.gather(this.#keptIndices),
      clusters: joined && { sizes: joined.clusters.sizes, segments: kept.gather(joined.segments) },
    });
  }

  /** Makes the dropped tokens join the kept ones. */
  #join(kept: string, residual: string): { clusters: Clusters; segments: string } {
    const emit = this.#emit;
    const images = this.imageTokenMask;
    const one = (): string => emit.op('Expand', [emit.float(1), emit.op('Shape', [images])]);
    const { sizes, segments } = this.#clusters ?? { sizes: one(), segments: this.#images() };
    return { clusters: clustersOf(emit, { residual, images, segments, sizes, kept }), segments };
  }

  /** Which image each token is of: int64 [batch, sequence]. */
  #images(): string {
    const emit = this.#emit;
    if (this.segments === undefined) return runsOfImages(emit, this.imageTokenMask);
    return emit.gather(this.segments, emit.int(0), 2);
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
