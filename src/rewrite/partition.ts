// Which stage each part of a decoder belongs to: what the attention of layer K−1 needs lies before a cut, the rest behind
// it, on a shorter sequence. Stage 0 lies before the first cut.
import type { NodeProto } from '../onnx/index.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import type { Decoder } from '../decoder/decoder.js';
import { TokenFlow } from '../decoder/token-flow.js';
import { FastvError } from '../errors.js';

export class Partition {
  readonly decoder: Decoder;
  readonly flow: TokenFlow;
  /** K of each cut. */
  readonly cuts: readonly number[];
  readonly #stages: ReadonlyMap<NodeProto, number>;
  readonly #attention: ReadonlyMap<NodeProto, AttentionCore>;

  private constructor(
    decoder: Decoder,
    cuts: readonly number[],
    flow: TokenFlow,
    stages: ReadonlyMap<NodeProto, number>,
  ) {
    this.decoder = decoder;
    this.cuts = cuts;
    this.flow = flow;
    this.#stages = stages;
    this.#attention = new Map(
      decoder.layers.flatMap(({ attention: core }) => (core === undefined ? [] : [[core.node, core]])),
    );
  }

  /**
   * Divides a decoder after the attention of each layer K−1.
   * @throws {FastvError} `unsupported-decoder` where positions are unclear
   */
  static at(decoder: Decoder, cuts: readonly number[]): Partition {
    const { graph, layers } = decoder;
    const flow = new TokenFlow(decoder);
    const before = cuts.map((k) => {
      const done = layers.slice(0, k);
      const cut = done.at(-1)?.attention?.output;
      return graph.ancestors([...(cut === undefined ? [] : [cut]), ...done.flatMap((l) => l.presentStates)]);
    });
    const stageOf = (node: NodeProto): number => before.filter((set) => !set.has(node)).length;
    return new Partition(decoder, cuts, flow, new Map([...flow.nodes].map((node) => [node, stageOf(node)])));
  }

  /** The same with nodes put behind the cut before which they lie, where nothing before it needs their results. */
  withBehind(nodes: Iterable<NodeProto>): Partition {
    const stages = new Map(this.#stages);
    for (const node of nodes) stages.set(node, this.stageOf(node) + 1);
    return new Partition(this.decoder, this.cuts, this.flow, stages);
  }

  /** The stage of an activation's node; 0 for the prologue. */
  stageOf(node: NodeProto): number {
    return this.#stages.get(node) ?? 0;
  }

  /** The attention whose node this is. */
  attentionAt(node: NodeProto): AttentionCore | undefined {
    return this.#attention.get(node);
  }

  /** The stage in which a tensor is made; 0 for graph inputs and the prologue. */
  home(tensor: string): number {
    const node = this.decoder.graph.producer(tensor);
    return node === undefined ? 0 : this.stageOf(node);
  }

  /** The stage that a layer's cache belongs to. */
  stageOfLayer(index: number): number {
    return this.cuts.filter((k) => k <= index).length;
  }

  /** The cache whose length is a stage's past: that of its first layer with attention. */
  pastKey(stage: number): string {
    const layer = this.decoder.layers.find(
      ({ index, attention }) => attention !== undefined && this.stageOfLayer(index) === stage,
    );
    if (layer?.attention !== undefined) return layer.attention.pastKey;
    const k = this.cuts[stage - 1] ?? 0;
    throw new FastvError(
      'unsupported-decoder',
      `no layer from ${k} on has attention, so there is nothing to prune for`,
      { where: `layer ${k}`, hint: 'Choose a smaller K.' },
    );
  }

  /** Layers that share another one's keys and values, as in Gemma 4, must lie on the same side of a cut as that one. */
  refuseShared(tensor: string): void {
    const owner = this.decoder.layers.find(({ attention: core }) =>
      [core?.keys, core?.presentKey, core?.presentValue].includes(tensor),
    );
    if (owner === undefined) return;
    throw new FastvError(
      'unsupported-decoder',
      `layers after the cut use the keys and values of layer ${owner.index}, which hold every token`,
      { where: `layer ${owner.index}`, hint: `Choose K ≤ ${owner.index}.` },
    );
  }
}
