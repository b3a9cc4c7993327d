// Which axis of an activation is the sequence. A tensor that crosses the cut is gathered on that axis, so it must be
// known, not guessed: an op that is not listed here makes the axis unknown, and an unknown axis is refused.
//
// Mostly it is axis 1 of [batch, sequence, hidden]. Two other forms are common: a stack of residual streams, [stack,
// batch, sequence, hidden] (Gemma 3n's AltUp, hyper-connections), and rows, [batch · sequence, hidden] (OPT's MLP).
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { intAttribute, intsAttribute, label, rankOf, type GraphView } from '../onnx/index.js';
import { EMBEDS } from './contract.js';
import { ONE_SCALE, PASSES_NUMBERS, PRODUCTS, RESIDUAL, TOKEN_WISE } from './token-wise.js';

/**
 * Where the tokens of a tensor are: the axis of the sequence, with the batch on the axis before it; `rows`: axis 0 is
 * batch · sequence; `none`: one value for all tokens (a quantisation scale, say).
 */
export type SequenceAxis = number | 'rows' | 'none';

/** [batch, sequence] on axes `axis` − 1 and `axis`, of `rank` axes where that is known. */
interface Tokens {
  readonly axis: number;
  readonly rank: number | undefined;
}

type Axes = Tokens | 'rows' | 'none' | undefined;

/** An entry of a shape, as far as it matters here. */
type Entry =
  number | 'batch' | 'sequence' | 'rows' | { readonly tensor: string; readonly axis: number } | undefined;

/** Ops whose result is as wide as their first activation, for finding a width. */
const SAME_WIDTH = new Set(['Add', 'Mul', 'Relu', 'Identity', 'Cast', 'Sub', 'Div']);

/** What a rule may ask. */
interface Look {
  readonly graph: GraphView;
  /** The axes of a tensor; undefined where unknown, and for what is no activation. */
  readonly axes: (tensor: string) => Axes;
  readonly isActivation: (tensor: string) => boolean;
}

/** The axes of an op's result, its first input being an activation with these axes. */
type Rule = (node: NodeProto, from: Tokens, look: Look) => Axes;

const RULES: Readonly<Record<string, Rule>> = {
  ReduceMean: reduced,
  ReduceSum: reduced,
  ReduceMax: reduced,
  Split: alongOther,
  Concat: alongOther,
  Slice(node, from, { graph }) {
    const along = graph.constantInts(node.input[3] ?? '');
    return along?.every((axis) => isOther(axis, from)) === true ? from : undefined;
  },
  Gather(node, from, { graph, isActivation }) {
    const indices = node.input[1] ?? '';
    const along = positive(intAttribute(node, 'axis', 0), from.rank);
    const axes = graph.constantInts(indices) === undefined ? undefined : rankOf(graph, indices);
    if (isActivation(indices) || along === undefined || axes === undefined || !isOther(along, from)) {
      return undefined;
    }
    return {
      axis: along < from.axis ? from.axis + axes - 1 : from.axis,
      rank: from.rank === undefined ? undefined : from.rank + axes - 1,
    };
  },
  Unsqueeze(node, from, { graph }) {
    const axes = axesOf(graph, node)?.map((axis) => positive(axis, from.rank, 1));
    if (axes === undefined || axes.includes(undefined)) return undefined;
    // The places of the old axes among the new ones.
    const places = Array.from({ length: from.axis + 1 + axes.length }, (_, i) => i).filter(
      (i) => !axes.includes(i),
    );
    return adjacent(places[from.axis - 1], places[from.axis], sum(from.rank, axes.length));
  },
  Squeeze(node, from, { graph }) {
    const axes = axesOf(graph, node)?.map((axis) => positive(axis, from.rank));
    if (axes?.every((axis) => axis !== undefined && isOther(axis, from)) !== true) return undefined;
    const before = axes.filter((axis) => (axis ?? 0) < from.axis).length;
    return { axis: from.axis - before, rank: sum(from.rank, -axes.length) };
  },
  Transpose(node, from) {
    const perm = intsAttribute(node, 'perm') ?? [];
    if (perm.length === 0 || perm.length !== (from.rank ?? perm.length)) return undefined;
    return adjacent(perm.indexOf(from.axis - 1), perm.indexOf(from.axis), perm.length);
  },
  // Axes of the result count from the right, as in any broadcast.
  Expand(node, from, look) {
    const target = entriesOf(node.input[1] ?? '', look)?.length;
    if (target === undefined || from.rank === undefined) return undefined;
    const rank = Math.max(target, from.rank);
    return { axis: rank - from.rank + from.axis, rank };
  },
  // x[i] = …: whole slices of leading axes are put in place.
  ScatterND(node, from, { graph }) {
    const indices = graph.producer(node.input[1] ?? '');
    const depthOne = indices?.opType === 'Unsqueeze' && axesOf(graph, indices)?.join() === '-1';
    return depthOne && from.axis >= 2 ? from : undefined;
  },
  Reshape(node, from, look) {
    const target = entriesOf(node.input[1] ?? '', look);
    if (target === undefined) return undefined;
    const named = target.map((entry, i) => {
      // 0 keeps an axis.
      if (entry !== 0) return entry;
      return i === from.axis ? 'sequence' : i === from.axis - 1 ? 'batch' : entry;
    });
    if (named.length > from.axis + 1 && named[from.axis - 1] === 'batch' && named[from.axis] === 'sequence') {
      return { axis: from.axis, rank: named.length };
    }
    // -1 might be the sequence times something, but for the width being the whole of what a token has.
    const whole = from.axis === 1 && from.rank === 3 && isWidth(named[1], node.input[0] ?? '', look);
    return named.length === 2 && (named[0] === -1 || named[0] === 'rows') && whole ? 'rows' : undefined;
  },
};

/** Tells the sequence axis of activations. */
export class SequenceAxes {
  readonly #graph: GraphView;
  readonly #activations: ReadonlySet<string>;
  readonly #known: Map<string, Axes>;

  /**
   * @param activations every tensor that depends on the embeddings' values
   * @param known tensors with the sequence on axis 1: the embeddings, and the results of attention
   * @param passes nodes that leave the tokens where they are for a reason of their own
   */
  constructor(
    graph: GraphView,
    activations: ReadonlySet<string>,
    known: Iterable<string>,
    passes: (node: NodeProto) => boolean = () => false,
  ) {
    this.#graph = graph;
    this.#activations = activations;
    this.#known = new Map([...known].map((tensor) => [tensor, { axis: 1, rank: knownRank(graph, tensor) }]));
    // In topological order, so that no recursion is needed on hostile depth.
    for (const node of graph.nodes) {
      for (const [i, output] of node.output.entries()) {
        if (output === '' || !activations.has(output) || this.#known.has(output)) continue;
        const scalar = ONE_SCALE.has(node.opType) && i > 0;
        const axes = passes(node) ? this.#known.get(node.input[0] ?? '') : this.#axes(node);
        this.#known.set(output, scalar ? 'none' : axes);
      }
    }
  }

  /** Whether it is clear where an activation's tokens are. */
  knows(tensor: string): boolean {
    const axes = this.#known.get(tensor);
    return typeof axes === 'object' ? axes.axis === 1 || axes.rank !== undefined : axes !== undefined;
  }

  /**
   * The sequence axis of an activation.
   * @throws {FastvError} `unsupported-decoder`, naming the node that made it unclear
   */
  of(tensor: string): SequenceAxis {
    const axes = this.#known.get(tensor);
    if (axes === 'none' || axes === 'rows') return axes;
    // Other axes than 1 are brought there by a Transpose, which needs to know them all.
    if (axes !== undefined && (axes.axis === 1 || axes.rank !== undefined)) return axes.axis;
    const node = this.#graph.producer(tensor);
    throw new FastvError(
      'unsupported-decoder',
      `"${tensor}" crosses the cut, but its sequence axis is unclear`,
      {
        where: node === undefined ? tensor : label(node),
        hint: 'Expected [batch, sequence, …], made from the embeddings by token-wise ops.',
      },
    );
  }

  /** How many axes an activation has whose sequence is on axis 2 or later; undefined where it need not be known. */
  rank(tensor: string): number | undefined {
    const axes = this.#known.get(tensor);
    return typeof axes === 'object' ? axes.rank : undefined;
  }

  #axes(node: NodeProto): Axes {
    const isActivation = (name: string): boolean => this.#activations.has(name);
    const inputs = node.input.filter(isActivation);
    let axes = inputs.map((name) => this.#known.get(name));
    // A residual connection: what is added to the stream does not change its axes.
    if (RESIDUAL.has(node.opType) && axes.some((a) => a !== undefined && a !== 'none')) {
      axes = axes.filter((a) => a !== undefined);
    }
    if (axes.includes(undefined)) return undefined;
    if (TOKEN_WISE.has(node.opType)) return this.#tokenWise(node, axes, inputs.length);
    const look: Look = { graph: this.#graph, isActivation, axes: (name) => this.#known.get(name) };
    const [first] = axes;
    if (!isActivation(node.input[0] ?? '') && node.opType !== 'Concat') return undefined;
    if (first === 'rows') return node.opType === 'Reshape' ? unfolded(node, look) : undefined;
    if (first === undefined || first === 'none' || axes.some((a) => !sameAxis(a, first))) return undefined;
    return RULES[node.opType]?.(node, first, look);
  }

  /** Tensors broadcast from the right: there the sequence is as far from the end in all of them. */
  #tokenWise(node: NodeProto, axes: readonly Axes[], activations: number): Axes {
    const tokens = axes.filter((a): a is Tokens => typeof a === 'object');
    const [first] = tokens;
    if (first === undefined) return axes.includes('rows') ? 'rows' : 'none';
    if (axes.includes('rows')) return undefined;
    const ranks = tokens.map(({ rank }) => rank);
    if (ranks.includes(undefined))
      return tokens.every(({ axis }) => axis === 1) ? { axis: 1, rank: undefined } : undefined;
    const constants = node.input
      .filter((name) => !this.#activations.has(name))
      .map((name) => rankOf(this.#graph, name));
    const rank = Math.max(...[...ranks, ...constants].map((n) => n ?? 0));
    const [fromEnd = 0, ...others] = tokens.map((t) => (t.rank ?? 0) - t.axis);
    if (others.some((other) => other !== fromEnd)) return undefined;
    // Of two activations only leading axes are no part of the product.
    if (PRODUCTS.has(node.opType) && activations > 1 && fromEnd < 3) return undefined;
    return { axis: rank - fromEnd, rank };
  }
}

/** The number of axes of the embeddings or of attention's result. */
function knownRank(graph: GraphView, tensor: string): number | undefined {
  const node = graph.producer(tensor);
  if (node === undefined) return rankOf(graph, tensor);
  // Decomposed attention ends in a Transpose, operators in [batch, sequence, hidden].
  return node.opType === 'Transpose' ? intsAttribute(node, 'perm')?.length : 3;
}

function sameAxis(a: Axes, b: Tokens): boolean {
  return a === 'none' || (typeof a === 'object' && a.axis === b.axis);
}

function sum(a: number | undefined, b: number): number | undefined {
  return a === undefined ? undefined : a + b;
}

/** An axis counted from the front; undefined where that needs a rank which is not known. */
function positive(axis: number, rank: number | undefined, added = 0): number | undefined {
  if (axis >= 0) return axis;
  return rank === undefined ? undefined : axis + rank + added;
}

/** Whether an axis is neither the batch nor the sequence. The last one is neither, whatever the rank. */
function isOther(axis: number, { axis: sequence, rank }: Tokens): boolean {
  const place = positive(axis, rank);
  if (place === undefined) return axis === -1 && sequence === 1;
  return place !== sequence && place !== sequence - 1;
}

function adjacent(batch: number | undefined, sequence: number | undefined, rank: number | undefined): Axes {
  return sequence !== undefined && batch === sequence - 1 && batch >= 0
    ? { axis: sequence, rank }
    : undefined;
}

/** The axes of Unsqueeze, Squeeze or a reduction: an attribute, or their second input. */
function axesOf(graph: GraphView, node: NodeProto): number[] | undefined {
  return intsAttribute(node, 'axes') ?? graph.constantInts(node.input[1] ?? '');
}

function reduced(node: NodeProto, from: Tokens, { graph }: Look): Axes {
  const axes = axesOf(graph, node);
  if (axes?.length !== 1) return undefined;
  const [axis = 0] = axes;
  if (!isOther(axis, from)) return undefined;
  if (intAttribute(node, 'keepdims', 1) === 1) return from;
  // Of a stack only one stream is left.
  const place = positive(axis, from.rank);
  return place !== undefined && place < from.axis
    ? { axis: from.axis - 1, rank: sum(from.rank, -1) }
    : undefined;
}

function alongOther(node: NodeProto, from: Tokens): Axes {
  return isOther(intAttribute(node, 'axis', 0), from) ? from : undefined;
}

/** Rows that are laid out as [batch, sequence, …] again. */
function unfolded(node: NodeProto, look: Look): Axes {
  const target = entriesOf(node.input[1] ?? '', look);
  return target !== undefined && target.length > 2 && target[0] === 'batch' && target[1] === 'sequence'
    ? { axis: 1, rank: target.length }
    : undefined;
}

/** What a computed shape holds, entry by entry; undefined where not even their number is known. */
function entriesOf(shape: string, look: Look, depth = 0): Entry[] | undefined {
  const { graph } = look;
  const constant = graph.constantInts(shape);
  if (constant !== undefined) return constant;
  const node = graph.producer(shape);
  if (node === undefined || depth > 8) return undefined;
  const inputs = (): (Entry[] | undefined)[] => node.input.map((name) => entriesOf(name, look, depth + 1));
  if (PASSES_NUMBERS.has(node.opType)) return entriesOf(node.input[0] ?? '', look, depth + 1);
  switch (node.opType) {
    case 'Concat': {
      const parts = inputs();
      return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? []);
    }
    case 'Shape':
      return entriesOfShape(node, look);
    case 'ConstantOfShape': {
      const [length = Infinity, ...more] = graph.constantInts(node.input[0] ?? '') ?? [];
      return more.length === 0 && length <= 16 ? Array<Entry>(length).fill(undefined) : undefined;
    }
    case 'Gather': {
      const from = entriesOf(node.input[0] ?? '', look, depth + 1);
      return graph
        .constantInts(node.input[1] ?? '')
        ?.map((i) => from?.at(i) ?? entryAt(node.input[0] ?? '', i, look));
    }
    case 'Slice': {
      const from = entriesOf(node.input[0] ?? '', look, depth + 1);
      const [start, end] = [1, 2].map((i) => graph.constantInts(node.input[i] ?? '')?.[0]);
      if (start === undefined || end === undefined) return undefined;
      return (
        from?.slice(start, end) ??
        (end === start + 1 ? [entryAt(node.input[0] ?? '', start, look)] : undefined)
      );
    }
    case 'Mul': {
      const both = inputs().map((entries) => entries?.length === 1 && entries[0]);
      return [both.includes('batch') && both.includes('sequence') ? 'rows' : undefined];
    }
    default:
      return undefined;
  }
}

/** The entries of a Shape node, where the tensor's rank is known or the node says how many it gives. */
function entriesOfShape(node: NodeProto, look: Look): Entry[] | undefined {
  const of = node.input[0] ?? '';
  const axes = look.axes(of);
  const rank = typeof axes === 'object' ? axes.rank : rankOf(look.graph, of);
  const start = intAttribute(node, 'start', 0);
  const end = intAttribute(node, 'end', rank ?? -1);
  const whole = rank === undefined ? undefined : Array.from({ length: rank }, (_, i) => i).slice(start, end);
  const list =
    whole ??
    (start >= 0 && end > start ? Array.from({ length: end - start }, (_, i) => start + i) : undefined);
  return list?.map((axis) => entry(of, axis, look));
}

/** One entry of the shape of a tensor whose rank is not known. */
function entryAt(shape: string, index: number, look: Look): Entry {
  const node = look.graph.producer(shape);
  if (node?.opType !== 'Shape' || node.attribute.length > 0) return undefined;
  return entry(node.input[0] ?? '', index, look);
}

function entry(tensor: string, axis: number, look: Look): Entry {
  const axes = look.axes(tensor);
  if (axes === undefined && look.graph.inputs.has(tensor)) return entryOfInput(look.graph, tensor, axis);
  if (typeof axes !== 'object') return axes === 'rows' && axis === 0 ? 'rows' : undefined;
  const place = positive(axis, axes.rank);
  if (place === axes.axis) return 'sequence';
  return place === axes.axis - 1 ? 'batch' : { tensor, axis };
}

/** Graph inputs share the names of their axes: a cache, say, has the batch of inputs_embeds. */
function entryOfInput(graph: GraphView, tensor: string, axis: number): Entry {
  const symbol = dimension(graph, tensor, axis);
  if (typeof symbol === 'number') return symbol;
  if (symbol !== undefined && symbol === dimension(graph, EMBEDS, 0)) return 'batch';
  if (symbol !== undefined && symbol === dimension(graph, EMBEDS, 1)) return 'sequence';
  return { tensor, axis };
}

/** A declared size of a graph input, or its name. */
function dimension(graph: GraphView, input: string, axis: number): number | string | undefined {
  const type = graph.inputs.get(input)?.type?.value;
  const value = type?.case === 'tensorType' ? type.value.shape?.dim.at(axis)?.value : undefined;
  if (value?.case === 'dimValue') return Number(value.value);
  return value?.case === 'dimParam' ? value.value : undefined;
}

/** Whether an entry is the width of a tensor [batch, sequence, width]. */
function isWidth(entry: Entry, tensor: string, { graph, isActivation }: Look): boolean {
  if (typeof entry === 'object') return entry.tensor === tensor && (entry.axis === -1 || entry.axis === 2);
  if (typeof entry !== 'number' || entry <= 0) return false;
  let names = [tensor];
  for (let steps = 0; steps < 8 && names.length > 0; steps++) {
    const nodes = names.map((name) => graph.producer(name));
    const says = (node: NodeProto | undefined, name: string): boolean => {
      if (node === undefined) return dimension(graph, name, -1) === entry;
      // What weights say: a bias or a norm's scale [width], a projection [in, width].
      return node.input.some((input) => Number(graph.initializers.get(input)?.dims.at(-1)) === entry);
    };
    if (nodes.some((node, i) => says(node, names[i] ?? ''))) return true;
    names = nodes.flatMap((node) =>
      node !== undefined && SAME_WIDTH.has(node.opType) ? node.input.filter(isActivation) : [],
    );
  }
  return false;
}
