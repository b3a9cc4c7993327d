// Which axis of the tensors between a layer's hidden state and its attention's result runs over the queries.
//
// From [batch, sequence, hidden] a query is projected, normalised, split into heads, rotated, multiplied with the keys,
// masked, normalised over the keys and multiplied with the values. All of it treats each query by itself, so that it
// can be computed for some of them only, if that is known and not guessed: here every op is either understood or
// refused. A reshape may put heads beside the queries ([batch, sequence · heads, head size], as norms of heads do); the
// axis is then still the queries', in blocks.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { intAttribute, intsAttribute, label, rankOf, type GraphView } from '../onnx/index.js';
import type { SequenceAxis } from './sequence-axis.js';

/** Where the queries of a tensor are. */
export interface QueryAxis {
  readonly rank: number;
  readonly axis: number;
  /** Whether the keys took part in it: then the last axis is theirs, or the values' features. */
  readonly metKeys: boolean;
}

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

/** An entry of a shape: a number, or what a computed one counts; undefined if that is unclear. */
type ShapeEntry = number | 'batch' | 'queries' | 'other' | undefined;

const ELEMENTWISE = new Set(
  (
    'Abs Add And BiasGelu Cast CastLike Clip Div Dropout Equal Erf Exp Identity IsNaN LeakyRelu Max Min Mul Neg Not ' +
    'Or Pow Reciprocal Relu Round Sigmoid Sqrt Sub Sum Tanh Where'
  ).split(' '),
);
/** Ops that normalise over the last axis. */
const NORMS = new Set(['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization']);
/** Products of activations with constant weights. */
const LINEAR = new Set('MatMulBnb4 MatMulInteger MatMulIntegerToFloat MatMulNBits'.split(' '));
/** Ops with scales and zero points: constants, or one value for all tokens. */
const SCALED = new Set(['DequantizeLinear', 'QuantizeLinear']);
/** Operators that compute every query's attention by itself, unless they are causal. */
const ATTENTION = new Set(['MultiHeadAttention', 'Attention']);
const PRODUCTS = new Set(['MatMul', 'FusedMatMul']);
/** Ops that hand one number on. */
const PASSES_A_NUMBER = new Set(['Unsqueeze', 'Squeeze', 'Reshape', 'Cast', 'Identity']);

/**
 * The query axis of every tensor of a query side that has one.
 * @throws {FastvError} `unsupported-decoder`, naming the first node that is not understood
 */
export function queryAxes(side: QueryPart): ReadonlyMap<string, QueryAxis> {
  const found = new Map<string, QueryAxis>();
  for (const node of side.nodes) {
    const axis = new NodeAxis(side, found, node).result();
    for (const output of node.output) if (output !== '') found.set(output, axis);
  }
  return found;
}

/** Whether an op combines its inputs element by element. */
export function isElementwise(node: NodeProto): boolean {
  return ELEMENTWISE.has(node.opType);
}

/** Whether a node is an attention operator whose queries may be fewer than its keys. */
export function isAttention(node: NodeProto): boolean {
  return ATTENTION.has(node.opType);
}

/** The query axis of what one node gives. */
class NodeAxis {
  readonly #side: QueryPart;
  readonly #found: ReadonlyMap<string, QueryAxis>;
  readonly #node: NodeProto;

  constructor(side: QueryPart, found: ReadonlyMap<string, QueryAxis>, node: NodeProto) {
    this.#side = side;
    this.#found = found;
    this.#node = node;
  }

  result(): QueryAxis {
    const node = this.#node;
    if (this.#side.graph.capturesOf(node).length > 0) throw this.#refusal('has a subgraph');
    if (ELEMENTWISE.has(node.opType)) return this.#broadcast();
    if (PRODUCTS.has(node.opType)) return this.#product();
    if (SCALED.has(node.opType) || LINEAR.has(node.opType)) return this.#onlyFirst();
    if (node.opType === 'Concat') return this.#concat();
    if (isAttention(node)) return this.#attention();
    const first = this.#onlyFirst();
    if (NORMS.has(node.opType)) return this.#along(first, intAttribute(node, 'axis', -1));
    switch (node.opType) {
      case 'RotaryEmbedding':
        return first;
      case 'Softmax':
        return this.#along(first, intAttribute(node, 'axis', -1));
      case 'Split':
        return this.#along(first, intAttribute(node, 'axis', 0));
      case 'Slice':
        return this.#slice(first);
      case 'ReduceMean':
      case 'ReduceSum':
      case 'ReduceMax':
        return this.#reduce(first);
      case 'Transpose':
        return this.#transpose(first);
      case 'Unsqueeze':
        return this.#unsqueeze(first);
      case 'Squeeze':
        return this.#squeeze(first);
      case 'Reshape':
        return this.#reshape(first);
      default:
        throw this.#refusal('is not known to treat every query by itself');
    }
  }

  #refusal(why: string): FastvError {
    return new FastvError('unsupported-decoder', `${label(this.#node)} ${why}`, { where: label(this.#node) });
  }

  /** The query axis of an input; undefined if it has none. */
  #axisOf(tensor: string): QueryAxis | undefined {
    const { graph, isActivation, isKeyOrValue, sequenceAxis } = this.#side;
    const known = this.#found.get(tensor);
    if (known !== undefined || !isActivation(tensor) || isKeyOrValue(tensor)) return known;
    const axis = sequenceAxis(tensor);
    if (axis === 'none') return undefined;
    if (axis !== 1) throw this.#refusal(`takes "${tensor}", whose sequence is not on axis 1`);
    return { rank: rankOf(graph, tensor) ?? 3, axis, metKeys: false };
  }

  /** The first input's axis, where no other one has queries. */
  #onlyFirst(): QueryAxis {
    const [first = '', ...others] = this.#node.input;
    const axis = this.#axisOf(first);
    if (axis === undefined) throw this.#refusal('takes its queries at another place than expected');
    for (const other of others) {
      if (this.#axisOf(other) !== undefined) throw this.#refusal('mixes queries with queries');
      if (this.#side.isKeyOrValue(other)) throw this.#refusal('mixes queries with keys');
    }
    return axis;
  }

  #broadcast(): QueryAxis {
    const axes = this.#node.input.flatMap((name) => this.#axisOf(name) ?? []);
    if (this.#node.input.some((name) => this.#side.isKeyOrValue(name)))
      throw this.#refusal('mixes queries with keys');
    const [first] = axes;
    if (first === undefined) throw this.#refusal('has no queries');
    if (axes.some(({ rank, axis }) => rank - axis !== first.rank - first.axis))
      throw this.#refusal('combines queries on different axes');
    const widest = axes.reduce((a, b) => (b.rank > a.rank ? b : a), first);
    return { ...widest, metKeys: axes.some(({ metKeys }) => metKeys) };
  }

  /** queries · weight, queries · keys, or probabilities · values. */
  #product(): QueryAxis {
    const [left = '', right = ''] = this.#node.input;
    const axis = this.#axisOf(left);
    const turned = ['transA', 'transBatchA', 'transBatchB'].some((a) => intAttribute(this.#node, a, 0) !== 0);
    if (axis === undefined || turned) throw this.#refusal('takes its queries at another place than expected');
    if (this.#axisOf(right) !== undefined) throw this.#refusal('mixes queries with queries');
    if (axis.axis === axis.rank - 1) throw this.#refusal('sums over the queries');
    const { isKeyOrValue, isActivation, graph } = this.#side;
    if (!isKeyOrValue(right)) {
      if (!isActivation(right) && axis.metKeys && !graph.initializers.has(right))
        throw this.#refusal('multiplies what met the keys with something else than values');
      return axis;
    }
    if (axis.axis !== axis.rank - 2) throw this.#refusal('mixes queries with queries');
    return { ...axis, metKeys: true };
  }

  /** An attention operator that takes its keys and values whole: [batch, sequence, …] or [batch, heads, sequence, size]. */
  #attention(): QueryAxis {
    const [query = '', ...others] = this.#node.input;
    const axis = this.#axisOf(query);
    const { isKeyOrValue } = this.#side;
    if (axis === undefined) throw this.#refusal('has no queries');
    if (axis.axis !== axis.rank - 2 || !others.slice(0, 2).every(isKeyOrValue))
      throw this.#refusal('takes its queries at another place than expected');
    if (others.some((name) => this.#axisOf(name) !== undefined))
      throw this.#refusal('mixes queries with queries');
    return { ...axis, metKeys: true };
  }

  /** An op that works along one axis, which must not be the queries'. */
  #along(input: QueryAxis, axis: number): QueryAxis {
    if (axis === input.axis || axis + input.rank === input.axis)
      throw this.#refusal('works along the queries');
    return input;
  }

  #concat(): QueryAxis {
    const axes = this.#node.input.flatMap((name) => this.#axisOf(name) ?? []);
    const [first] = axes;
    if (first === undefined || this.#node.input.some((name) => this.#side.isKeyOrValue(name)))
      throw this.#refusal('mixes queries with keys');
    if (axes.some(({ rank, axis }) => rank !== first.rank || axis !== first.axis))
      throw this.#refusal('combines queries on different axes');
    return this.#along(first, intAttribute(this.#node, 'axis', 0));
  }

  #slice(input: QueryAxis): QueryAxis {
    const axes = this.#side.graph.constantInts(this.#node.input[3] ?? '');
    if (axes === undefined) throw this.#refusal('does not say along which axes');
    for (const axis of axes) this.#along(input, axis);
    return input;
  }

  #reduce(input: QueryAxis): QueryAxis {
    const node = this.#node;
    const axes = intsAttribute(node, 'axes') ?? this.#side.graph.constantInts(node.input[1] ?? '');
    if (axes === undefined || intAttribute(node, 'keepdims', 1) !== 1)
      throw this.#refusal('does not say along which axes');
    for (const axis of axes) this.#along(input, axis);
    return input;
  }

  #transpose(input: QueryAxis): QueryAxis {
    const perm = intsAttribute(this.#node, 'perm');
    if (perm?.length !== input.rank || !perm.includes(input.axis))
      throw this.#refusal('has an unclear order of axes');
    return { ...input, axis: perm.indexOf(input.axis) };
  }

  #unsqueeze(input: QueryAxis): QueryAxis {
    const axes = this.#constantAxes();
    const rank = input.rank + axes.length;
    const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
    const old = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !added.has(axis));
    const axis = old[input.axis];
    if (axis === undefined || old.length !== input.rank) throw this.#refusal('adds unclear axes');
    return { ...input, rank, axis };
  }

  #squeeze(input: QueryAxis): QueryAxis {
    const gone = this.#constantAxes().map((axis) => (axis < 0 ? axis + input.rank : axis));
    if (gone.includes(input.axis)) throw this.#refusal('takes the axis of the queries away');
    const before = gone.filter((axis) => axis < input.axis).length;
    return { ...input, rank: input.rank - gone.length, axis: input.axis - before };
  }

  #constantAxes(): readonly number[] {
    const axes =
      intsAttribute(this.#node, 'axes') ?? this.#side.graph.constantInts(this.#node.input[1] ?? '');
    if (axes === undefined || axes.length === 0 || new Set(axes).size < axes.length)
      throw this.#refusal('does not say which axes');
    return axes;
  }

  /**
   * The queries stay at their place from the front ([batch, sequence, heads · size] → [batch, sequence, heads, size])
   * or from the back ([batch, heads, sequence, size] → [batch, KV heads, group, sequence, size]).
   */
  #reshape(input: QueryAxis): QueryAxis {
    if (intAttribute(this.#node, 'allowzero', 0) !== 0) throw this.#refusal('may make empty axes');
    const entries = this.#shape(this.#node.input[1] ?? '');
    const rank = entries?.length ?? 0;
    const holdsQueries = (axis: number): boolean =>
      axis > 0 &&
      axis < rank &&
      (entries?.[axis] === -1 ||
        entries?.[axis] === 'queries' ||
        (entries?.[axis] === 0 && axis === input.axis));
    const axis = [input.axis, rank - (input.rank - input.axis)].find(holdsQueries);
    const [batch] = entries ?? [];
    const others = entries?.filter((_, i) => i !== axis && i > 0) ?? [];
    const clear =
      (batch === 0 || batch === 1 || batch === 'batch') &&
      others.every((entry) => entry === 'other' || (typeof entry === 'number' && entry >= -1));
    if (axis === undefined || !clear)
      throw this.#refusal('moves the queries in a way that is not understood');
    return { ...input, rank, axis };
  }

  #shape(tensor: string): ShapeEntry[] | undefined {
    const { graph } = this.#side;
    const constant = graph.constantInts(tensor);
    if (constant !== undefined) return constant;
    const concat = graph.producer(tensor);
    if (concat?.opType !== 'Concat') return undefined;
    return concat.input.flatMap((part): ShapeEntry[] => graph.constantInts(part) ?? [this.#entry(part)]);
  }

  #entry(tensor: string): Exclude<ShapeEntry, number> {
    const { graph, isActivation, isKeyOrValue, sequenceAxis } = this.#side;
    let node = graph.producer(tensor);
    while (node !== undefined && PASSES_A_NUMBER.has(node.opType)) node = graph.producer(node.input[0] ?? '');
    if (node?.opType !== 'Gather' && node?.opType !== 'Slice') return undefined;
    const index = graph.constantInts(node.input[1] ?? '')?.[0];
    const shape = graph.producer(node.input[0] ?? '');
    const source = shape?.input[0] ?? '';
    if (shape?.opType !== 'Shape' || index === undefined || !isActivation(source)) return undefined;
    if (intAttribute(shape, 'start', 0) !== 0) return undefined;
    if (node.opType === 'Slice') {
      const end = graph.constantInts(node.input[2] ?? '')?.[0];
      if (end === undefined || (end !== index + 1 && index !== -1)) return undefined;
    }
    if (index === 0) return 'batch';
    if (isKeyOrValue(source)) return 'other';
    const known = this.#found.get(source);
    if (known !== undefined)
      return index === known.axis || index + known.rank === known.axis ? 'queries' : 'other';
    // How many axes it has is not known, so that an index from the back says nothing.
    return index < 0 ? undefined : index === sequenceAxis(source) ? 'queries' : 'other';
  }
}
