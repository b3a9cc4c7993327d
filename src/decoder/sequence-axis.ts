// Which axis of an activation is the sequence. A tensor that crosses a cut is gathered on it.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { label, rankOf, type GraphView } from '../onnx/index.js';
import { tokenAxes, Unclear, type Placed } from './axis-rules.js';

/** `1`: [batch, sequence, …]. `none`: one value for all tokens (a quantisation scale, say). */
export type SequenceAxis = 1 | 'none';

/** Tells the sequence axis of activations. */
export class SequenceAxes {
  readonly #graph: GraphView;
  readonly #placed: ReadonlyMap<string, Placed>;

  /**
   * @param activations every tensor that depends on the embeddings' values
   * @param known tensors with the sequence on axis 1, the embeddings and the results of attention, and how many axes they
   *   have, where that is known
   * @param passes nodes that leave the sequence where it is for a reason of their own
   */
  constructor(
    graph: GraphView,
    activations: ReadonlySet<string>,
    known: Iterable<readonly [tensor: string, rank?: number]>,
    passes: (node: NodeProto) => boolean = () => false,
  ) {
    this.#graph = graph;
    const given = new Map<string, Placed>(
      Array.from(known, ([tensor, rank = rankOf(graph, tensor) ?? 3]) => [
        tensor,
        { rank, axis: 1, exact: true, metKeys: false },
      ]),
    );
    const nodes = graph.nodes.filter(({ output }) => output.some((name) => activations.has(name)));
    this.#placed = tokenAxes(nodes, {
      graph,
      given,
      isKeyOrValue: () => false,
      together: true,
      passes,
    });
  }

  /**
   * The sequence axis of an activation.
   * @throws {FastvError} `unsupported-decoder`, naming the node that made it unclear
   */
  of(tensor: string): SequenceAxis {
    const placed = this.#placed.get(tensor);
    if (placed === 'none') return 'none';
    const unclear = placed === undefined || placed instanceof Unclear;
    if (!unclear && placed.axis === 1 && placed.exact) return 1;
    const node = this.#graph.producer(tensor);
    const why = placed instanceof Unclear && node !== undefined ? `: ${label(node)} ${placed.message}` : '';
    throw new FastvError(
      'unsupported-decoder',
      `"${tensor}" crosses the cut, but its sequence axis is unclear${why}`,
      {
        where: node === undefined ? tensor : label(node),
        hint: 'Expected [batch, sequence, …], made from the embeddings by token-wise ops.',
      },
    );
  }

  /** Whether an activation's sequence axis is clear. */
  knows(tensor: string): boolean {
    const placed = this.#placed.get(tensor);
    if (placed === undefined || placed instanceof Unclear) return false;
    return placed === 'none' || (placed.axis === 1 && placed.exact);
  }
}
