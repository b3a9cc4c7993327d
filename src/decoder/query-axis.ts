// Which axis of the tensors between a layer's hidden state and its attention's result runs over the queries.
//
// From [batch, sequence, hidden] a query is projected, normalised, split into heads, rotated, multiplied with the keys,
// masked, normalised over the keys and multiplied with the values. All of it treats each query by itself, so that it
// can be computed for some of them only, if that is known and not guessed: every op is either understood or refused. A
// reshape may put heads beside the queries ([batch, sequence · heads, head size], as norms of heads do); the axis is then
// still the queries', in blocks.
import { FastvError } from '../errors.js';
import { label, rankOf, type GraphView, type NodeProto } from '../onnx/index.js';
import { tokenAxes } from './axis-rules.js';
import type { SequenceAxis } from './sequence-axis.js';
import { Unclear, type Placed, type TokenAxis } from './token-axis.js';

/** What a tensor is to the part of the graph that is looked at. */
export interface QueryPart {
  readonly graph: GraphView;
  /** The nodes of that part. */
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
  const { graph, nodes, isKeyOrValue, isActivation } = part;
  const start = (tensor: string): Placed | undefined =>
    !isActivation(tensor) || isKeyOrValue(tensor) ? undefined : before(part, tensor);
  const found = tokenAxes({ graph, nodes: new Set(nodes), start, isKeyOrValue, oneByOne: true }).all();
  return new Map(
    [...found].map(([tensor, placed]) => {
      const node = graph.producer(tensor);
      const where = node === undefined ? tensor : label(node);
      const refuse = (message: string): FastvError =>
        new FastvError('unsupported-decoder', message, { where });
      if (placed instanceof Unclear) throw refuse(placed.message);
      if (placed === 'none') throw refuse(`${where} has no tokens`);
      if (placed.batch !== 0 || placed.axis === 0)
        throw refuse(`${where} moves the tokens in a way that is not understood`);
      return [tensor, placed];
    }),
  );
}

/** Where the tokens of an activation from before are. */
function before({ graph, sequenceAxis }: QueryPart, tensor: string): Placed {
  let axis: SequenceAxis;
  try {
    axis = sequenceAxis(tensor);
  } catch (error) {
    if (error instanceof FastvError) return new Unclear(error.message);
    throw error;
  }
  if (axis === 'none') return 'none';
  if (axis !== 1) return new Unclear(`the sequence of "${tensor}" is not on axis 1`);
  return { rank: rankOf(graph, tensor) ?? 3, batch: 0, axis, exact: true, metKeys: false };
}
