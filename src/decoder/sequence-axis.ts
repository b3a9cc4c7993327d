// Which axis of an activation is the sequence. A tensor that crosses the cut is gathered on that axis, so it must be
// known: an unclear one is refused.
import { FastvError } from '../errors.js';
import { intsAttribute, label, rankOf, type GraphView, type NodeProto } from '../onnx/index.js';
import { tokenAxes } from './axis-rules.js';
import { Unclear, type Placed } from './token-axis.js';

/**
 * Where the tokens of a tensor are: the axis of the sequence, with the batch on the axis before it; `rows`: axis 0 is
 * batch · sequence; `none`: one value for all tokens (a quantisation scale, say).
 */
export type SequenceAxis = number | 'rows' | 'none';

/** Tells the sequence axis of activations. */
export class SequenceAxes {
  readonly #graph: GraphView;
  readonly #placed: (tensor: string) => Placed | undefined;

  /**
   * @param activations every tensor that depends on the embeddings' values
   * @param known tensors with the sequence on axis 1: the embeddings, and the results of attention
   * @param passes nodes that leave the tokens where they are for a reason of their own
   */
  constructor(
    graph: GraphView,
    activations: ReadonlySet<string>,
    known: Iterable<string>,
    passes?: (node: NodeProto) => boolean,
  ) {
    const starts = new Map(
      [...known].map((tensor): [string, Placed] => {
        return [tensor, { rank: knownRank(graph, tensor), batch: 0, axis: 1, exact: true, metKeys: false }];
      }),
    );
    const start = (tensor: string): Placed | undefined =>
      starts.get(tensor) ??
      (activations.has(tensor) ? new Unclear(`attention gives "${tensor}"`) : undefined);
    const nodes = graph.nodes.filter(
      ({ output }) =>
        output.some((name) => activations.has(name)) && !output.some((name) => starts.has(name)),
    );
    const question = { graph, nodes: new Set(nodes), start, oneByOne: false };
    const found = tokenAxes(passes === undefined ? question : { ...question, passes });
    this.#graph = graph;
    this.#placed = (tensor) => found.of(tensor) ?? start(tensor);
  }

  /** Whether it is clear where an activation's tokens are. */
  knows(tensor: string): boolean {
    return this.#axis(tensor) !== undefined;
  }

  /**
   * The sequence axis of an activation.
   * @throws {FastvError} `unsupported-decoder` with the reason why it is unclear
   */
  of(tensor: string): SequenceAxis {
    const axis = this.#axis(tensor);
    if (axis !== undefined) return axis;
    const placed = this.#placed(tensor);
    const why = placed instanceof Unclear ? placed.message : 'batch and sequence are not side by side';
    const node = this.#graph.producer(tensor);
    throw new FastvError(
      'unsupported-decoder',
      `"${tensor}" crosses the cut, but its sequence axis is unclear: ${why}`,
      {
        where: node === undefined ? tensor : label(node),
        hint: 'Expected [batch, sequence, …], made from the embeddings by token-wise ops.',
      },
    );
  }

  /** How many axes an activation has whose sequence is on axis 2 or later; undefined where it need not be known. */
  rank(tensor: string): number | undefined {
    const placed = this.#placed(tensor);
    return placed === undefined || placed === 'none' || placed instanceof Unclear ? undefined : placed.rank;
  }

  #axis(tensor: string): SequenceAxis | undefined {
    const placed = this.#placed(tensor);
    if (placed === undefined || placed === 'none') return placed;
    if (placed instanceof Unclear || !placed.exact) return undefined;
    const { rank, batch, axis } = placed;
    if (batch === axis) return axis === 0 ? 'rows' : undefined;
    // Other axes than 1 are brought there by a Transpose, which needs to know them all.
    return batch === axis - 1 && (axis === 1 || rank !== undefined) ? axis : undefined;
  }
}

/** The number of axes of the embeddings or of attention's result. */
function knownRank(graph: GraphView, tensor: string): number | undefined {
  const node = graph.producer(tensor);
  if (node === undefined) return rankOf(graph, tensor);
  // Decomposed attention ends in a Transpose, operators in [batch, sequence, hidden].
  return node.opType === 'Transpose' ? intsAttribute(node, 'perm')?.length : 3;
}
