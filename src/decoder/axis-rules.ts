// Which axis of a tensor its queries are on, where queries meet keys and values: one table, operator → rule, and a loop
// over the nodes. Queries are taken one by one, so the axis must be known, not guessed: an operator that is not in the
// table, or that mixes tokens, makes it unclear, with the reason. token-wise.ts has the lists that the table is made of.
import type { NodeProto } from 'onnx-buf';
import { input, intAttribute, intsAttribute, isOperator, type GraphView } from '../onnx/index.js';
import { ELEMENTWISE, LINEAR, NORMS, ONE_SCALE, PASSES_NUMBERS, PRODUCTS } from './token-wise.js';

/** Where the tokens of a tensor are. */
export interface TokenAxis {
  readonly rank: number;
  readonly axis: number;
  /** Whether each entry is a token; otherwise heads may lie beside them ([batch, sequence · heads, size]), in blocks. */
  readonly exact: boolean;
  /** Whether keys took part in it: then the last axis is theirs, or the values' features. */
  readonly metKeys: boolean;
}

/** `none`: one value for all tokens (a quantisation scale, say). */
export type Placed = TokenAxis | 'none' | Unclear;

/** What is asked. */
export interface AxisQuestion {
  readonly graph: GraphView;
  /** Where a tensor's tokens are that no node in question gives; undefined for what does not come from tokens. */
  readonly placed: (tensor: string) => Placed | undefined;
  /** Whether a tensor is the keys or values of past and present, or made of them alone. */
  readonly isKeyOrValue: (tensor: string) => boolean;
}

/** Why an axis is unclear: what is wrong with a node. */
export class Unclear extends Error {}

/** Where the tokens are in what nodes give, which are in topological order. */
export function tokenAxes(nodes: readonly NodeProto[], question: AxisQuestion): ReadonlyMap<string, Placed> {
  const found = new Map<string, Placed>();
  for (const node of nodes) {
    const placed = place(new NodeAt(node, found, question));
    for (const output of node.output) if (output !== '') found.set(output, placed);
  }
  return found;
}

/** Where the tokens are in what a node gives. */
function place(at: NodeAt): Placed {
  const rules: Readonly<Record<string, Rule | undefined>> = RULES;
  const { node, question } = at;
  const rule = Object.hasOwn(rules, node.opType) ? rules[node.opType] : undefined;
  try {
    if (question.graph.capturesOf(node).length > 0) throw new Unclear('has a subgraph');
    const inputs = node.input.map((tensor) => at.placed(tensor));
    if (inputs.some((placed) => placed instanceof Unclear)) throw new Unclear('is made of what is unclear');
    if (rule === undefined) throw new Unclear('is not known to treat every token by itself');
    return rule(at);
  } catch (error) {
    if (error instanceof Unclear) return error;
    throw error;
  }
}

/** Where the tokens are in what a node gives, from where they are in its inputs. @throws {Unclear} */
type Rule = (at: NodeAt) => TokenAxis;

/** Combines its inputs element by element. */
const broadcast: Rule = (at) => {
  if (at.node.input.some((tensor) => at.question.isKeyOrValue(tensor))) throw new Unclear(WITH_KEYS);
  const axes = at.inputs();
  const [first] = axes;
  if (first === undefined) throw new Unclear('has no tokens');
  if (axes.some(({ rank, axis }) => rank - axis !== first.rank - first.axis)) throw new Unclear(DIFFERENT);
  const widest = axes.reduce((a, b) => (b.rank > a.rank ? b : a), first);
  return {
    ...widest,
    exact: axes.every(({ exact }) => exact),
    metKeys: axes.some(({ metKeys }) => metKeys),
  };
};

/** Takes tokens as its first input and nothing else that has any: a product with weights, a scale. */
const onlyFirst: Rule = (at) => at.onlyFirst();

/** Works along one axis, which must not be the tokens'. */
const along =
  (fallback: number): Rule =>
  (at) =>
    at.besides(at.onlyFirst(), intAttribute(at.node, 'axis', fallback));

/** Queries that are taken one by one would have a scale each. */
const oneScale: Rule = () => {
  throw new Unclear('takes one scale over all tokens');
};

/** tokens · weight, queries · keys, or probabilities · values. */
const product: Rule = (at) => {
  const [left = '', right = ''] = at.node.input;
  const axis = at.axisOf(left);
  const turned = ['transA', 'transBatchA', 'transBatchB'].some((a) => intAttribute(at.node, a, 0) !== 0);
  if (axis === undefined || turned) throw new Unclear(ELSEWHERE);
  if (at.axisOf(right) !== undefined) throw new Unclear(WITH_TOKENS);
  if (axis.axis === axis.rank - 1) throw new Unclear('sums over the tokens');
  const { isKeyOrValue, graph } = at.question;
  if (!isKeyOrValue(right)) {
    if (axis.metKeys && at.placed(right) === undefined && !graph.initializers.has(right)) {
      throw new Unclear('multiplies what met the keys with something else than values');
    }
    return axis;
  }
  if (axis.axis !== axis.rank - 2) throw new Unclear(WITH_TOKENS);
  return { ...axis, metKeys: true };
};

/** Takes its keys and values whole: [batch, sequence, …] or [batch, heads, sequence, size]. */
const attention: Rule = (at) => {
  const [query = '', ...others] = at.node.input;
  const axis = at.axisOf(query);
  if (axis === undefined) throw new Unclear('has no tokens');
  if (axis.axis !== axis.rank - 2 || !others.slice(0, 2).every((name) => at.question.isKeyOrValue(name)))
    throw new Unclear(ELSEWHERE);
  if (others.some((name) => at.axisOf(name) !== undefined)) throw new Unclear(WITH_TOKENS);
  return { ...axis, metKeys: true };
};

const concat: Rule = (at) => {
  const axes = at.inputs();
  const [first] = axes;
  if (first === undefined || at.node.input.some((name) => at.question.isKeyOrValue(name)))
    throw new Unclear(WITH_KEYS);
  if (axes.some(({ rank, axis }) => rank !== first.rank || axis !== first.axis)) throw new Unclear(DIFFERENT);
  return at.besides(first, intAttribute(at.node, 'axis', 0));
};

const slice: Rule = (at) => {
  const axes = isOperator(at.node, 'Slice') ? at.ints(input(at.node, 'axes')) : undefined;
  if (axes === undefined) throw new Unclear(WHICH);
  return axes.reduce((axis, other) => at.besides(axis, other), at.onlyFirst());
};

const reduce: Rule = (at) => {
  const axes = at.axes();
  if (axes === undefined || intAttribute(at.node, 'keepdims', 1) !== 1) throw new Unclear(WHICH);
  return axes.reduce((axis, other) => at.besides(axis, other), at.onlyFirst());
};

const transpose: Rule = (at) => {
  const axis = at.onlyFirst();
  const perm = intsAttribute(at.node, 'perm');
  if (perm?.length !== axis.rank || !perm.includes(axis.axis))
    throw new Unclear('has an unclear order of axes');
  return { ...axis, axis: perm.indexOf(axis.axis) };
};

const unsqueeze: Rule = (at) => {
  const old = at.onlyFirst();
  const axes = at.constantAxes();
  const rank = old.rank + axes.length;
  const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  const left = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !added.has(axis));
  const axis = left[old.axis];
  if (axis === undefined || left.length !== old.rank) throw new Unclear('adds unclear axes');
  return { ...old, rank, axis };
};

const squeeze: Rule = (at) => {
  const old = at.onlyFirst();
  const gone = at.constantAxes().map((axis) => (axis < 0 ? axis + old.rank : axis));
  if (gone.includes(old.axis)) throw new Unclear('takes the axis of the tokens away');
  const before = gone.filter((axis) => axis < old.axis).length;
  return { ...old, rank: old.rank - gone.length, axis: old.axis - before };
};

/**
 * Tokens stay at their place from the front ([batch, sequence, heads · size] → [batch, sequence, heads, size]) or from
 * the back ([batch, heads, sequence, size] → [batch, KV heads, group, sequence, size]).
 */
const reshape: Rule = (at) => {
  const old = at.onlyFirst();
  if (intAttribute(at.node, 'allowzero', 0) !== 0) throw new Unclear('may make empty axes');
  const entries = at.shape();
  const rank = entries?.length ?? 0;
  const counts = (axis: number): boolean =>
    entries?.[axis] === 'tokens' || (entries?.[axis] === 0 && axis === old.axis);
  const holds = (axis: number): boolean =>
    axis > 0 && axis < rank && (entries?.[axis] === -1 || counts(axis));
  const axis = [old.axis, rank - (old.rank - old.axis)].find(holds);
  const [batch] = entries ?? [];
  const others = entries?.filter((_, i) => i !== axis && i > 0) ?? [];
  const clear =
    // With batch and tokens as they were, whatever is behind them is theirs.
    (axis === 1 && counts(1)) ||
    others.every((entry) => entry === 'other' || (typeof entry === 'number' && entry >= -1));
  if (axis === undefined || !clear || !(batch === 0 || batch === 1 || batch === 'batch'))
    throw new Unclear('moves the tokens in a way that is not understood');
  return { ...old, rank, axis, exact: old.exact && counts(axis) };
};

const WITH_KEYS = 'mixes queries with keys';
const WITH_TOKENS = 'mixes tokens with tokens';
const DIFFERENT = 'combines tokens on different axes';
const ELSEWHERE = 'takes its tokens at another place than expected';
const WHICH = 'does not say along which axes';

const rules = (rule: Rule, operators: Iterable<string>): Record<string, Rule> =>
  Object.fromEntries([...operators].map((operator) => [operator, rule]));

/** The table. */
const RULES: Readonly<Record<string, Rule>> = {
  ...rules(broadcast, ELEMENTWISE),
  ...rules(onlyFirst, [...LINEAR, 'RotaryEmbedding']),
  ...rules(along(-1), [...NORMS, 'Softmax']),
  ...rules(product, PRODUCTS),
  ...rules(oneScale, ONE_SCALE),
  ...rules(attention, ['Attention', 'MultiHeadAttention']),
  ...rules(reduce, ['ReduceMax', 'ReduceMean', 'ReduceSum']),
  Concat: concat,
  Reshape: reshape,
  Slice: slice,
  Split: along(0),
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};

/** Whether an operator combines its inputs element by element. */
export function isElementwise(node: NodeProto): boolean {
  return Object.hasOwn(RULES, node.opType) && RULES[node.opType] === broadcast;
}

/** Whether a node is an attention operator whose queries may be fewer than its keys. */
export function takesQueries(node: NodeProto): boolean {
  return Object.hasOwn(RULES, node.opType) && RULES[node.opType] === attention;
}

/** An entry of a shape: a number, or what a computed one counts; undefined if that is unclear. */
type ShapeEntry = number | 'batch' | 'tokens' | 'other' | undefined;

/** A node, and what is known of its inputs. */
class NodeAt {
  readonly node: NodeProto;
  readonly question: AxisQuestion;
  readonly #found: ReadonlyMap<string, Placed>;

  constructor(node: NodeProto, found: ReadonlyMap<string, Placed>, question: AxisQuestion) {
    this.node = node;
    this.question = question;
    this.#found = found;
  }

  placed(tensor: string): Placed | undefined {
    return this.#found.get(tensor) ?? this.question.placed(tensor);
  }

  /** The axis of the tokens in a tensor; undefined if it has none. */
  axisOf(tensor: string): TokenAxis | undefined {
    const placed = this.placed(tensor);
    return placed === undefined || placed === 'none' || placed instanceof Unclear ? undefined : placed;
  }

  /** The axes of all inputs that have tokens. */
  inputs(): TokenAxis[] {
    return this.node.input.flatMap((tensor) => this.axisOf(tensor) ?? []);
  }

  first(): TokenAxis {
    const axis = this.axisOf(this.node.input[0] ?? '');
    if (axis === undefined) throw new Unclear(ELSEWHERE);
    return axis;
  }

  /** The first input's axis, where no other one has tokens. */
  onlyFirst(): TokenAxis {
    const axis = this.first();
    for (const other of this.node.input.slice(1)) {
      if (this.axisOf(other) !== undefined) throw new Unclear(WITH_TOKENS);
      if (this.question.isKeyOrValue(other)) throw new Unclear(WITH_KEYS);
    }
    return axis;
  }

  /** The tokens' axis again, if another one is not it. */
  besides(tokens: TokenAxis, axis: number): TokenAxis {
    if (axis === tokens.axis || axis + tokens.rank === tokens.axis)
      throw new Unclear('works along the tokens');
    return tokens;
  }

  ints(tensor: string): readonly number[] | undefined {
    return this.question.graph.constantInts(tensor);
  }

  /** The node's axes: an attribute, or its second input. */
  axes(): readonly number[] | undefined {
    return intsAttribute(this.node, 'axes') ?? this.ints(this.node.input[1] ?? '');
  }

  constantAxes(): readonly number[] {
    const axes = this.axes();
    if (axes === undefined || axes.length === 0 || new Set(axes).size < axes.length)
      throw new Unclear('does not say which axes');
    return axes;
  }

  /** The shape that a Reshape asks for. */
  shape(): readonly ShapeEntry[] | undefined {
    const { graph } = this.question;
    const tensor = this.node.input[1] ?? '';
    const constant = graph.constantInts(tensor);
    if (constant !== undefined) return constant;
    const parts = graph.producer(tensor);
    if (parts?.opType !== 'Concat') return undefined;
    return parts.input.flatMap(
      (part): readonly ShapeEntry[] => graph.constantInts(part) ?? [this.#entry(part)],
    );
  }

  /** What a computed entry of a shape counts. */
  #entry(tensor: string): ShapeEntry {
    const { graph, isKeyOrValue } = this.question;
    const node = graph.producer(graph.upstream(tensor, ({ opType }) => PASSES_NUMBERS.has(opType)));
    if (node === undefined) return undefined;
    const part = partOfShape(graph, node);
    if (part === undefined) return undefined;
    const { source, index } = part;
    const axis = this.axisOf(source);
    if (!isKeyOrValue(source) && axis === undefined) return undefined;
    if (index === 0) return 'batch';
    if (axis === undefined) return 'other';
    const counts = index === axis.axis || index + axis.rank === axis.axis;
    return !counts ? 'other' : axis.exact ? 'tokens' : undefined;
  }
}

/** Which entry of which tensor's shape a Gather or Slice takes. */
function partOfShape(
  graph: GraphView,
  node: NodeProto,
): { readonly source: string; readonly index: number } | undefined {
  let index: number | undefined;
  if (isOperator(node, 'Gather')) {
    index = graph.constantInts(input(node, 'indices'))?.[0];
  } else if (isOperator(node, 'Slice')) {
    index = graph.constantInts(input(node, 'starts'))?.[0];
    const end = graph.constantInts(input(node, 'ends'))?.[0];
    if (index === undefined || end === undefined || (end !== index + 1 && index !== -1)) return undefined;
  }
  const shape = graph.producer(node.input[0] ?? '');
  if (index === undefined || shape?.opType !== 'Shape' || intAttribute(shape, 'start', 0) !== 0)
    return undefined;
  return { source: shape.input[0] ?? '', index };
}
