// How a decoder's graph depends on its tokens: which tensors are activations and on which axis their tokens are, which of
// the others carry rotations, and from which positions. It says what there is, whatever is done to the decoder.
import { EMBEDS } from './contract.js';
import { firstInput, input, type GraphView, type NodeProto } from '../onnx/index.js';
import type { AttentionCore } from './attention/core.js';
import type { Decoder } from './decoder.js';
import { dependents, looksUpFloats, rotaryTensors } from './dependence.js';
import { positionRoots } from './positions.js';
import { SequenceAxes, type SequenceAxis } from './sequence-axis.js';

export class TokenFlow {
  /** The nodes that depend on the embeddings' values, and their results. */
  readonly nodes: ReadonlySet<NodeProto>;
  readonly #tensors: ReadonlySet<string>;
  readonly #axes: SequenceAxes;
  /** What belongs to the prologue and carries rotations. */
  readonly #rotary: ReadonlySet<string>;
  readonly #roots: ReadonlySet<string>;
  readonly #tables: ReadonlySet<string>;
  readonly #headMajor: ReadonlySet<string>;

  /** @throws {FastvError} `unsupported-decoder` where positions are unclear */
  constructor(decoder: Decoder) {
    const { graph } = decoder;
    const { nodes, tensors } = dependents(graph, [EMBEDS, ...decoder.tokenInputs]);
    this.nodes = nodes;
    this.#tensors = tensors;
    this.#axes = sequenceAxes(decoder, tensors);
    this.#rotary = rotaryTensors(graph, tensors);
    this.#roots = positionRoots(graph, tensors);
    this.#tables = new Set(
      graph.nodes.flatMap((node) => (looksUpFloats(graph, node) ? [input(node, 'data')] : [])),
    );
    this.#headMajor = new Set(decoder.layers.flatMap(({ attention }) => headMajor(graph, attention)));
  }

  /** Whether a tensor depends on the embeddings' values. */
  isActivation(tensor: string): boolean {
    return this.#tensors.has(tensor);
  }

  /** Whether a tensor of the prologue carries rotations. */
  isRotary(tensor: string): boolean {
    return this.#rotary.has(tensor);
  }

  /** Whether a tensor is the beginning of a table of rotations, to be looked up by the tokens' own positions. */
  isTable(tensor: string): boolean {
    return this.#tables.has(tensor);
  }

  /** Whether a tensor is positions that the graph computes itself: int64 [batch or 1, sequence]. */
  isPositionRoot(tensor: string): boolean {
    return this.#roots.has(tensor);
  }

  /** @throws {FastvError} `unsupported-decoder` where the sequence axis of an activation is unclear */
  sequenceAxis(tensor: string): SequenceAxis {
    return this.#axes.of(tensor);
  }

  /** How many axes an activation has whose sequence is on axis 2 or later. */
  rank(tensor: string): number | undefined {
    return this.#axes.rank(tensor);
  }

  /** Whether a tensor is an attention's result before its Transpose: [batch, heads, sequence, head size], or the like. */
  isHeadMajor(tensor: string): boolean {
    return this.#headMajor.has(tensor);
  }
}

/** The sequence axes of a decoder's activations. */
export function sequenceAxes(
  { graph, layers, tokenInputs }: Decoder,
  activations: ReadonlySet<string>,
  passes?: (node: NodeProto) => boolean,
): SequenceAxes {
  const results = layers.flatMap(({ attention: core }) => (core === undefined ? [] : [core.output]));
  const known = [EMBEDS, ...tokenInputs, ...results];
  return new SequenceAxes(graph, activations, known, passes);
}

/** What lies between an attention's product and the Transpose that puts the sequence on axis 1. */
function headMajor(graph: GraphView, core: AttentionCore | undefined): string[] {
  const tensors: string[] = [];
  let node = graph.producer(core?.output ?? '');
  while (node !== undefined && node !== core?.node) {
    const from = firstInput(node);
    tensors.push(from);
    node = graph.producer(from);
  }
  return tensors;
}
