// Which axis of the tensors between a layer's hidden state and its attention's result runs over the queries.
//
// From [batch, sequence, hidden] a query is projected, normalised, split into heads, rotated, multiplied with the keys,
// masked, normalised over the keys and multiplied with the values. All of it treats each query by itself, so that it
// can be computed for some of them only, if that is known and not guessed: every op is either understood or refused. A
// reshape may put heads beside the queries ([batch, sequence · heads, head size], as norms of heads do); the axis is then
// still the queries', in blocks.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { label, rankOf, type GraphView } from '../onnx/index.js';
import { tokenAxes, Unclear, type Placed, type TokenAxis } from './axis-rules.js';
import type { SequenceAxis } from './sequence-axis.js';

/** What a tensor is to the part of the graph that is looked at. */
export interface QueryPart {
  readonly graph: GraphView;
  /** The nodes of that part, in topological order. */
  readonly nodes: readonly NodeProto[];
  /** Whether a tensor is the keys or values of past and present, or made of them alone. */
  readonly isKeyOrValue: (tensor: string) => boolean;
  /** Whether a tensor depends on the embeddings' values. */
  readonly isActivation: (tensor: string) => boolean;
  /** The sequence axis of an activation from before: 1, or `none` for one value for all tokens. */
  readonly sequenceAxis: (tensor: string) => SequenceAxis;
}

/**
 * The query axis of every tensor of a query side.
 * @throws {FastvError} `unsupported-decoder`, naming the first node that is not understood
 */
export function queryAxes(part: QueryPart): ReadonlyMap<string, TokenAxis> {
  const { graph, nodes, isKeyOrValue, isActivation, sequenceAxis } = part;
  const placed = (tensor: string): Placed | undefined => {
    if (!isActivation(tensor) || isKeyOrValue(tensor)) return undefined;
    const axis = sequenceAxis(tensor);
    if (axis === 'none') return 'none';
    if (axis !== 1) return new Unclear(`takes "${tensor}", whose sequence is not on axis 1`);
    return { rank: rankOf(graph, tensor) ?? 3, axis: 1, exact: true, metKeys: false };
  };
  const found = tokenAxes(nodes, { graph, placed, isKeyOrValue });
  return new Map(
    [...found].map(([tensor, axis]) => {
      const node = graph.producer(tensor);
      if (axis !== 'none' && !(axis instanceof Unclear)) return [tensor, axis];
      const why = axis === 'none' ? 'has no tokens' : axis.message;
      const where = node === undefined ? tensor : label(node);
      throw new FastvError('unsupported-decoder', `${where} ${why}`, { where });
    }),
  );
}
