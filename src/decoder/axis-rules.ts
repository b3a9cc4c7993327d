// Where the tokens of tensors are: one table, operator → rule, and a loop over the nodes. Two analyses ask it: which axis
// of an activation is the sequence (sequence-axis.ts), because what crosses a cut is gathered on it, and which axis of a
// query side is that of the queries (query-axis.ts), because those are computed for some tokens only.
//
// An axis must be known, not guessed: an operator that is not in the table, or that mixes tokens, makes it unclear, with
// the reason. Three forms are common besides [batch, sequence, hidden]: heads, [batch, heads, sequence, size]; a stack of
// residual streams, [stack, batch, sequence, hidden] (Gemma 3n's AltUp, hyper-connections); and rows, [batch · sequence,
// hidden] (OPT's MLP).
import {
  firstInput,
  input,
  intAttribute,
  intsAttribute,
  isOperator,
  label,
  OWN_DOMAINS,
  rankOf,
  type GraphView,
  type InputOf,
  type NodeProto,
  type OperatorName,
} from '../onnx/index.js';
import { ComputedShapes, type ShapeEntry } from './computed-shape.js';
import { Unclear, type Placed, type TokenAxis } from './token-axis.js';

/** What is asked. */
export interface AxisQuestion {
  readonly graph: GraphView;
  /** Whose results are asked for. */
  readonly nodes: ReadonlySet<NodeProto>;
  /** Where the tokens of a tensor are that no such node gives; undefined for what does not come from tokens. */
  readonly start: (tensor: string) => Placed | undefined;
  /** Whether a tensor is the keys or values of past and present, or made of them alone. */
  readonly isKeyOrValue?: (tensor: string) => boolean;
  /** Whether a node leaves the tokens where they are for a reason of its own. */
  readonly passes?: (node: NodeProto) => boolean;
  /**
   * Whether tokens will be taken one by one: then they cannot share a scale, and a residual stream does not vouch for
   * what is added to it.
   */
  readonly oneByOne: boolean;
}

/** Where the tokens are in what the nodes in question give. */
export interface TokenAxes {
  /** Of one tensor; undefined for what no such node gives. The graph is read as far as to the tensor's own node. */
  of(tensor: string): Placed | undefined;
  /** Of all of them. */
  all(): ReadonlyMap<string, Placed>;
}

/** Reads a graph from its beginning, as far as it is asked. */
export function tokenAxes(question: AxisQuestion): TokenAxes {
  const { graph, nodes, start, isKeyOrValue = () => false } = question;
  const found = new Map<string, Placed>();
  const placed = (tensor: string): Placed | undefined => found.get(tensor) ?? start(tensor);
  const shapes = new ComputedShapes(graph, placed, isKeyOrValue);
  const read = (node: NodeProto): void => {
    if (nodes.has(node)) {
      const result = place(new NodeAt(node, question, placed, shapes));
      for (const [i, output] of node.output.entries()) {
        if (output !== '') found.set(output, i > 0 && ONE_SCALE.has(node.opType) ? 'none' : result);
      }
    }
    shapes.add(node);
  };
  const unread = graph.nodes.values();
  return {
    of(tensor) {
      const node = graph.producer(tensor);
      if (node === undefined || !nodes.has(node)) return undefined;
      while (!found.has(tensor)) {
        const next = unread.next();
        if (next.done === true) break;
        read(next.value);
      }
      return found.get(tensor);
    },
    all() {
      for (const node of unread) read(node);
      return found;
    },
  };
}

/** Where the tokens are in what a node gives. */
function place(at: NodeAt): Placed {
  const { node, question } = at;
  try {
    if (question.passes?.(node) === true) return at.placed(firstInput(node)) ?? at.first();
    if (question.graph.capturesOf(node).length > 0) throw new Unclear('has a subgraph');
    const placed = node.input.map((tensor) => at.placed(tensor)).filter((p) => p !== undefined);
    const unclear = placed.find((p) => p instanceof Unclear);
    // A residual connection: what is added to the stream does not change its axes.
    const residual = !question.oneByOne && RESIDUAL.has(node.opType) && at.tokens().length > 0;
    if (unclear !== undefined && !residual) return unclear;
    const known = OWN_DOMAINS.has(node.domain) && Object.hasOwn(RULES, node.opType);
    const rule = known ? RULES[node.opType] : undefined;
    if (rule === undefined) throw new Unclear('is not known to treat every token by itself');
    return placed.length > 0 && placed.every((p) => p === 'none') ? 'none' : rule(at);
  } catch (error) {
    if (error instanceof Unclear) return new Unclear(`${label(node)} ${error.message}`);
    throw error;
  }
}

/** Where the tokens are in what a node gives, from where they are in its inputs. @throws {Unclear} */
type Rule = (at: NodeAt) => TokenAxis | 'none';

/** Combines its inputs element by element. */
const elementwise: Rule = (at) => {
  if (at.node.input.some((tensor) => at.isKeyOrValue(tensor))) throw new Unclear(WITH_KEYS);
  return at.broadcast(at.node.input);
};

/** Takes the type of its second input, whatever that holds. */
const castLike: Rule = (at) => at.axisOf(firstInput(at.node)) ?? 'none';

/** Takes tokens as its first input and nothing else that has any: a product with weights, a scale. */
const onlyFirst: Rule = (at) => at.onlyFirst();

/** Takes one scale over all tokens: those that are taken one by one would have a scale each. */
const oneScale: Rule = (at) => {
  if (at.question.oneByOne) throw new Unclear('takes one scale over all tokens');
  return at.onlyFirst();
};

/** Works along one axis, which must not be the tokens'. */
const along =
  (fallback: number): Rule =>
  (at) => {
    const tokens = at.onlyFirst();
    at.besides(tokens, intAttribute(at.node, 'axis', fallback));
    return tokens;
  };

/** Normalises over an axis and all behind it. */
const norm: Rule = (at) => {
  const tokens = at.onlyFirst();
  if (at.besides(tokens, intAttribute(at.node, 'axis', -1)) < tokens.axis) throw new Unclear(ALONG);
  return tokens;
};

/** tokens · weight, queries · keys, or probabilities · values. */
const product: Rule = (at) => {
  const [left, right] = [at.input('A'), at.input('B')];
  if (at.isTurned()) throw new Unclear(ELSEWHERE);
  const tokens = at.axisOf(left);
  if (at.axisOf(right) !== undefined) {
    // Only leading axes are no part of the product.
    const { rank, axis, ...both } = at.broadcast([left, right]);
    if (rank === undefined || axis > rank - 3 || at.isKeyOrValue(left))
      throw new Unclear(tokens === undefined ? ELSEWHERE : WITH_TOKENS);
    return { rank, axis, ...both };
  }
  if (tokens === undefined) throw new Unclear(ELSEWHERE);
  if (tokens.axis + 1 === tokens.rank) throw new Unclear('sums over the tokens');
  if (at.isKeyOrValue(right)) {
    if (tokens.axis + 2 !== tokens.rank) throw new Unclear(WITH_TOKENS);
    return { ...tokens, metKeys: true };
  }
  if (tokens.metKeys && at.placed(right) === undefined && !at.question.graph.initializers.has(right))
    throw new Unclear('multiplies what met the keys with something else than values');
  return at.broadcast([left, right]);
};

const gemm: Rule = (at) => {
  if (at.isTurned()) throw new Unclear(ELSEWHERE);
  return at.onlyFirst();
};

/** Takes its keys and values whole: [batch, sequence, …] or [batch, heads, sequence, size]. */
const attention: Rule = (at) => {
  const { node } = at;
  const keys = isOperator(node, 'Attention')
    ? [input(node, 'K'), input(node, 'V')]
    : isOperator(node, 'MultiHeadAttention') && [input(node, 'key'), input(node, 'value')];
  const tokens = at.first();
  if (keys === false || !keys.every((name) => at.isKeyOrValue(name)) || tokens.axis + 2 !== tokens.rank)
    throw new Unclear(ELSEWHERE);
  if (at.tokens().length > 1) throw new Unclear(WITH_TOKENS);
  return { ...tokens, metKeys: true };
};

const concat: Rule = (at) => {
  const axes = at.tokens();
  const [first] = axes;
  if (first === undefined || at.node.input.some((name) => at.isKeyOrValue(name)))
    throw new Unclear(WITH_KEYS);
  if (!axes.every((axis) => same(axis, first))) throw new Unclear(DIFFERENT);
  at.besides(first, intAttribute(at.node, 'axis', 0));
  return first;
};

const slice: Rule = (at) => {
  const tokens = at.onlyFirst();
  for (const axis of at.ints('axes')) at.besides(tokens, axis);
  return tokens;
};

/** With constant indices: as many axes as those have stand in place of one. */
const gather: Rule = (at) => {
  const tokens = at.onlyFirst();
  const indices = at.input('indices');
  const along = at.besides(tokens, intAttribute(at.node, 'axis', 0));
  at.ints('indices');
  const added = (rankOf(at.question.graph, indices) ?? 0) - 1;
  return moved(tokens, added, (axis) => (along < axis ? axis + added : axis));
};

const reduce: Rule = (at) => {
  const tokens = at.onlyFirst();
  const gone = at.axes().map((axis) => at.besides(tokens, axis));
  if (intAttribute(at.node, 'keepdims', 1) === 1) return tokens;
  // Of a stack only one stream is left.
  if (gone.some((axis) => axis > tokens.axis)) throw new Unclear('leaves nothing but a number of a token');
  return without(tokens, gone);
};

const squeeze: Rule = (at) => {
  const tokens = at.onlyFirst();
  return without(
    tokens,
    at.axes().map((axis) => at.besides(tokens, axis)),
  );
};

const unsqueeze: Rule = (at) => {
  const tokens = at.onlyFirst();
  const axes = at.axes();
  const rank = tokens.rank === undefined ? NaN : tokens.rank + axes.length;
  const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  if (added.has(NaN)) throw new Unclear(WHICH);
  // The places of the old axes among the new ones.
  const places = Array.from({ length: tokens.axis + 1 + axes.length }, (_, i) => i).filter(
    (i) => !added.has(i),
  );
  return moved(tokens, axes.length, (axis) => places[axis] ?? axis);
};

const transpose: Rule = (at) => {
  const tokens = at.onlyFirst();
  const perm = intsAttribute(at.node, 'perm') ?? [];
  if (perm.length !== (tokens.rank ?? perm.length) || !perm.includes(tokens.axis))
    throw new Unclear('has an unclear order of axes');
  return { ...moved(tokens, 0, (axis) => perm.indexOf(axis)), rank: perm.length };
};

/** Axes of the result count from the right, as in any broadcast. */
const expand: Rule = (at) => {
  const tokens = at.onlyFirst();
  const target = at.shapes.of(at.input('shape'))?.length;
  if (target === undefined || tokens.rank === undefined) throw new Unclear(WHICH);
  const added = Math.max(target - tokens.rank, 0);
  return moved(tokens, added, (axis) => axis + added);
};

/** Repeats along axes that are neither the batch's nor the tokens'. */
const tile: Rule = (at) => {
  const tokens = at.onlyFirst();
  for (const [axis, times] of at.ints('repeats').entries()) if (times !== 1) at.besides(tokens, axis);
  return tokens;
};

/** x[i] = …: whole slices of leading axes are put in place. */
const scatter: Rule = (at) => {
  const { graph } = at.question;
  const tokens = at.first();
  const indices = graph.producer(at.input('indices'));
  const depthOne =
    indices !== undefined &&
    isOperator(indices, 'Unsqueeze') &&
    (intsAttribute(indices, 'axes') ?? graph.constantInts(input(indices, 'axes')))?.join() === '-1';
  if (!depthOne || tokens.batch < 1 || tokens.axis < 1) throw new Unclear(ALONG);
  if (!at.tokens().every((axis) => same(axis, tokens))) throw new Unclear(DIFFERENT);
  return tokens;
};

/**
 * Tokens stay at their place from the front ([batch, sequence, heads · size] → [batch, sequence, heads, size]) or from
 * the back ([batch, heads, sequence, size] → [batch, KV heads, group, sequence, size]), or become rows, or come back.
 */
const reshape: Rule = (at) => {
  const old = at.onlyFirst();
  const entries = at.shapes.of(at.input('shape')) ?? [];
  const kept = intAttribute(at.node, 'allowzero', 0) === 0;
  const named = entries.map((entry, axis): ShapeEntry => {
    if (entry !== 0) return entry;
    if (!kept) return undefined;
    return axis === old.axis ? 'tokens' : axis === old.batch ? 'batch' : { tensor: '', axis };
  });
  const rank = named.length;
  if (old.batch === old.axis) {
    if (rank > 2 && named[0] === 'batch' && named[1] === 'tokens') return { ...old, rank, axis: 1 };
    throw new Unclear(MOVES);
  }
  const batchStays = named[old.batch] === 'batch' || (old.batch === 0 && named[0] === 1);
  // With batch and tokens side by side as they were, whatever is behind them is theirs.
  if (batchStays && old.axis === old.batch + 1 && named[old.axis] === 'tokens')
    return { ...old, rank, exact: old.exact || entries[old.axis] !== 0 };
  // The sequence may be counted by what is left of the rest, or may have moved behind other axes than those it had.
  if (batchStays && old.batch === 0 && old.rank !== undefined) {
    const places = [old.axis, ...(old.axis > 1 ? [rank - (old.rank - old.axis)] : [])];
    const axis = places.find((i) => i > 0 && i < rank && (named[i] === -1 || named[i] === 'tokens'));
    const others = named.filter((_, i) => i !== axis && i > 0);
    const clear = others.every(
      (entry) => typeof entry === 'object' || (typeof entry === 'number' && entry >= -1),
    );
    if (axis !== undefined && clear)
      return { ...old, rank, axis, exact: old.exact && named[axis] === 'tokens' };
  }
  // -1 might be the sequence times something, but for the width being the whole of what a token has.
  const [rows, width] = named;
  const whole = old.batch === 0 && old.axis === 1 && old.rank === 3 && old.exact && rank === 2;
  if (whole && (rows === -1 || rows === 'rows') && at.shapes.isWidth(width, at.input('data')))
    return { ...old, rank, axis: 0 };
  throw new Unclear(MOVES);
};

const WITH_KEYS = 'mixes queries with keys';
const WITH_TOKENS = 'mixes tokens with tokens';
const DIFFERENT = 'combines tokens on different axes';
const ELSEWHERE = 'takes its tokens at another place than expected';
const ALONG = 'works along the tokens';
const WHICH = 'does not say along which axes';
const MOVES = 'moves the tokens in a way that is not understood';

/** Add to the residual stream: what is added does not change its axes. */
export const RESIDUAL = new Set('Add SkipLayerNormalization SkipSimplifiedLayerNormalization'.split(' '));
/** What these give after their first output is one value for all tokens. */
const ONE_SCALE = new Set('DynamicQuantizeLinear DynamicQuantizeMatMul'.split(' '));

const rules = (rule: Rule, operators: Iterable<string>): Record<string, Rule> =>
  Object.fromEntries([...operators].map((operator) => [operator, rule]));

/** The table. */
const RULES: Readonly<Record<string, Rule>> = {
  ...rules(
    elementwise,
    (
      'Abs And BiasGelu Cast Clip Cos Div Dropout Elu Equal Erf Exp FastGelu Gelu HardSigmoid Identity IsNaN ' +
      'LeakyRelu Log Max Mean Min Mul Neg Not Or Pow PRelu QuickGelu Reciprocal Relu Round Selu Sigmoid Sin Softplus ' +
      'Softsign Sqrt Sub Sum Swish Tanh Where'
    ).split(' '),
  ),
  ...rules(elementwise, RESIDUAL),
  // Constant weights, and scales that are constants or one value for all tokens.
  ...rules(
    onlyFirst,
    (
      'DequantizeLinear MatMulBnb4 MatMulInteger MatMulIntegerToFloat MatMulNBits QLinearMatMul QuantizeLinear ' +
      'RotaryEmbedding'
    ).split(' '),
  ),
  ...rules(oneScale, ONE_SCALE),
  ...rules(norm, ['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization']),
  ...rules(product, ['MatMul', 'FusedMatMul']),
  ...rules(gemm, ['Gemm', 'FusedGemm']),
  ...rules(attention, ['Attention', 'MultiHeadAttention']),
  ...rules(reduce, ['ReduceMax', 'ReduceMean', 'ReduceSum']),
  CastLike: castLike,
  Concat: concat,
  Expand: expand,
  Gather: gather,
  Reshape: reshape,
  ScatterND: scatter,
  Slice: slice,
  Softmax: along(-1),
  Split: along(0),
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};

/** Whether an operator combines its inputs element by element. */
export function isElementwise(node: NodeProto): boolean {
  return Object.hasOwn(RULES, node.opType) && RULES[node.opType] === elementwise;
}

/** Whether a node is an attention operator whose queries may be fewer than its keys. */
export function takesQueries(node: NodeProto): boolean {
  return Object.hasOwn(RULES, node.opType) && RULES[node.opType] === attention;
}

/** The same tokens where axes were added or taken away. */
function moved(tokens: TokenAxis, added: number, to: (axis: number) => number): TokenAxis {
  const rank = tokens.rank === undefined ? undefined : tokens.rank + added;
  return { ...tokens, rank, batch: to(tokens.batch), axis: to(tokens.axis) };
}

/** How far an axis is from the end. */
function fromEnd({ rank = 0 }: TokenAxis, axis: number): number {
  return rank - axis;
}

function without(tokens: TokenAxis, gone: readonly number[]): TokenAxis {
  return moved(tokens, -gone.length, (axis) => axis - gone.filter((other) => other < axis).length);
}

function same(a: TokenAxis, b: TokenAxis): boolean {
  return a.batch === b.batch && a.axis === b.axis && (a.rank ?? b.rank) === (b.rank ?? a.rank);
}

/** A node, and what is known of its inputs. */
class NodeAt {
  readonly node: NodeProto;
  readonly question: AxisQuestion;
  readonly placed: (tensor: string) => Placed | undefined;
  readonly shapes: ComputedShapes;

  constructor(
    node: NodeProto,
    question: AxisQuestion,
    placed: (tensor: string) => Placed | undefined,
    shapes: ComputedShapes,
  ) {
    this.node = node;
    this.question = question;
    this.placed = placed;
    this.shapes = shapes;
  }

  input(name: InputOf<OperatorName>): string {
    return input(this.node, name);
  }

  isKeyOrValue(tensor: string): boolean {
    return this.question.isKeyOrValue?.(tensor) === true;
  }

  /** The axis of the tokens in a tensor; undefined if it has none. */
  axisOf(tensor: string): TokenAxis | undefined {
    const placed = this.placed(tensor);
    return placed === undefined || placed === 'none' || placed instanceof Unclear ? undefined : placed;
  }

  /** The axes of all inputs that have tokens. */
  tokens(): TokenAxis[] {
    return this.node.input.flatMap((tensor) => this.axisOf(tensor) ?? []);
  }

  first(): TokenAxis {
    const axis = this.axisOf(firstInput(this.node));
    if (axis === undefined) throw new Unclear(ELSEWHERE);
    return axis;
  }

  /** The first input's axis, where no other one has tokens. */
  onlyFirst(): TokenAxis {
    const axis = this.first();
    for (const other of this.node.input.slice(1)) {
      if (this.axisOf(other) !== undefined) throw new Unclear(WITH_TOKENS);
      if (this.isKeyOrValue(other)) throw new Unclear(WITH_KEYS);
    }
    return axis;
  }

  /** Tensors are broadcast from the right: there their tokens are as far from the end in all of them. */
  broadcast(tensors: readonly string[]): TokenAxis {
    const axes = tensors.flatMap((tensor) => this.axisOf(tensor) ?? []);
    const [first] = axes;
    if (first === undefined) throw new Unclear('has no tokens');
    const exact = axes.every((axis) => axis.exact);
    const metKeys = axes.some((axis) => axis.metKeys);
    let rank = 0;
    for (const tensor of tensors) {
      const own = this.axisOf(tensor);
      if (own !== undefined && own.rank === undefined) {
        if (axes.every(({ batch, axis }) => batch === 0 && axis === 1))
          return { ...first, rank: undefined, exact, metKeys };
        throw new Unclear(DIFFERENT);
      }
      const constant = this.placed(tensor) === undefined ? rankOf(this.question.graph, tensor) : undefined;
      rank = Math.max(rank, own?.rank ?? constant ?? 0);
    }
    const [batch, tokens] = [fromEnd(first, first.batch), fromEnd(first, first.axis)];
    if (axes.some((axis) => fromEnd(axis, axis.batch) !== batch || fromEnd(axis, axis.axis) !== tokens))
      throw new Unclear(DIFFERENT);
    return { rank, batch: rank - batch, axis: rank - tokens, exact, metKeys };
  }

  /** An axis counted from the front, which must be neither the batch's nor the tokens'. */
  besides(tokens: TokenAxis, axis: number): number {
    const place = axis < 0 ? axis + (tokens.rank ?? NaN) : axis;
    if (place === tokens.axis || place === tokens.batch) throw new Unclear(ALONG);
    if (!Number.isNaN(place)) return place;
    // The last axis lies behind the tokens, whatever the rank.
    if (axis === -1 && tokens.axis === 1) return Infinity;
    throw new Unclear(WHICH);
  }

  /** Whether a product takes its first matrix, or the batches of either, transposed. */
  isTurned(): boolean {
    return ['transA', 'transBatchA', 'transBatchB'].some((name) => intAttribute(this.node, name, 0) !== 0);
  }

  /** The values of an input, which must be constant. */
  ints(name: InputOf<OperatorName>): readonly number[] {
    const values = this.question.graph.constantInts(this.input(name));
    if (values === undefined) throw new Unclear(WHICH);
    return values;
  }

  /** The node's axes, an attribute or an input: some, each once. */
  axes(): readonly number[] {
    const axes = intsAttribute(this.node, 'axes') ?? this.ints('axes');
    if (axes.length === 0 || new Set(axes).size < axes.length) throw new Unclear(WHICH);
    return axes;
  }
}
