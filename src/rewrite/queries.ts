// Queries of the kept tokens only, at layer K−1. The cut falls after that layer's attention, but the tokens that it
// drops need no queries even there: their attention result is used by nothing. Their keys and values are used, and stay
// in the cache of layer K−1. So:
//
// 1. The tokens are ranked with the query of the last token alone.
// 2. Only the kept tokens' hidden states go into the query projection, its norm and rotation, and meet all keys.
//
// Both are copies of the same part of the graph, the query side: what lies between the hidden states and the result of
// the attention, and is not made of keys and values alone. What it takes from outside is
// - an activation, which is gathered to the chosen tokens; where q, k and v are one projection that is its result;
// - keys and values, which are taken whole;
// - rotary tables and positions, which are made for the chosen tokens as they are after the cut;
// - a mask [.., sequence, total] on the scores or into the operator, of which the chosen rows are taken;
// - shapes, which are computed again from the chosen tokens.
//
// That is decomposed attention, and MultiHeadAttention and Attention (opset 23) with their cache outside
// (attention/cache-outside.ts). GroupQueryAttention takes as many queries as new keys. Scales of dynamic quantisation
// are taken over all tokens, as before.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { label, rankOf, type Emitter } from '../onnx/index.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import type { Decoder } from '../decoder/decoder.js';
import { dependents, prologueOf, SHAPE_ONLY } from '../decoder/dependence.js';
import {
  isAttention,
  isElementwise,
  queryAxes,
  type QueryAxis,
  type QueryPart,
} from '../decoder/query-axis.js';
import type { Regions } from './regions.js';

/** The query side of one layer's attention, which can be computed for some of its tokens. */
export interface QuerySide extends QueryPart {
  readonly decoder: Decoder;
  /** The region that the layer lies in. */
  readonly region: number;
  readonly axes: ReadonlyMap<string, QueryAxis>;
}

/**
 * Finds the query side of a layer's attention.
 * @throws {FastvError} `unsupported-decoder` where its queries cannot be computed for some tokens only, with the reason
 */
export function querySide(decoder: Decoder, core: AttentionCore, regions: Regions): QuerySide {
  const where = `layer ${core.layer}`;
  const whole = wantsAllQueries(core);
  if (whole !== undefined) throw new FastvError('unsupported-decoder', whole, { where });
  const { graph } = decoder;
  const fromCache = dependents(graph, [core.pastKey, core.pastValue]).tensors;
  const nodes = queryNodes(decoder, core, regions, fromCache);
  const made = new Set(nodes.flatMap(({ output }) => output));
  const part: QueryPart = {
    graph,
    nodes,
    isKeyOrValue: (tensor) => fromCache.has(tensor) && !made.has(tensor),
    isActivation: (tensor) => regions.isActivation(tensor),
    sequenceAxis: (tensor) => regions.sequenceAxis(tensor),
  };
  const axes = queryAxes(part);
  const result = axes.get(core.output);
  const row = axes.get(core.rowSource);
  if (result?.axis !== 1 || !result.metKeys || row?.axis !== (row?.rank ?? 0) - 2) {
    throw new FastvError('unsupported-decoder', `"${core.output}" is not made of queries as expected`, {
      where,
    });
  }
  return { ...part, decoder, region: regions.regionOf(core.node), axes };
}

/** Why an attention cannot do with fewer queries, whatever surrounds it; undefined if it can. */
function wantsAllQueries(core: AttentionCore): string | undefined {
  const always = core.kind.allQueries(core);
  if (always !== undefined) return always;
  if (core.cacheInside) return `${label(core.node)} keeps its cache itself`;
  return core.causal ? `${label(core.node)} masks the future by the places of its queries` : undefined;
}

/**
 * Emits the query side for the tokens that `view` has in the region after the layer's.
 * @returns the new tensors by the names that they have in the original graph
 * @throws {FastvError} `unsupported-decoder` where something cannot be computed for some tokens only
 */
export function emitQueries(side: QuerySide, emit: Emitter, view: Regions): ReadonlyMap<string, string> {
  return new QueryCopy(side, emit, view).tensors;
}

/** The nodes between a layer's hidden states and its attention's result, without those of keys and values. */
function queryNodes(
  { graph, layers }: Decoder,
  core: AttentionCore,
  regions: Regions,
  fromCache: ReadonlySet<string>,
): NodeProto[] {
  const before = graph.ancestors(
    layers
      .slice(0, core.layer + 1)
      .flatMap(({ index, attention, presentStates }) => [
        ...presentStates,
        ...(attention === undefined || index === core.layer ? [] : [attention.output]),
      ]),
  );
  const inside = graph.ancestors([core.output]);
  const made = new Set<string>();
  return graph.nodes.filter((node) => {
    if (!inside.has(node) || before.has(node)) return false;
    if (SHAPE_ONLY.has(node.opType)) return false;
    const fromQueries = graph.inputsOf(node).some((input) => made.has(input));
    // A scale over all tokens stays one over all tokens.
    if (!fromQueries && node.opType === 'DynamicQuantizeLinear') return false;
    const takesTokens = (input: string): boolean =>
      regions.isActivation(input) && !fromCache.has(input) && regions.sequenceAxis(input) === 1;
    if (!fromQueries && !graph.inputsOf(node).some(takesTokens)) return false;
    for (const output of node.output) if (output !== '') made.add(output);
    return true;
  });
}

/** A copy of a query side for some of its tokens. */
class QueryCopy {
  readonly #side: QuerySide;
  readonly #emit: Emitter;
  readonly #view: Regions;
  readonly #order: ReadonlyMap<NodeProto, number>;
  /** Copies of prologue tensors, where they differ. */
  readonly #shapes = new Map<string, string>();
  /** The new tensors by their original names. */
  readonly tensors = new Map<string, string>();

  constructor(side: QuerySide, emit: Emitter, view: Regions) {
    this.#side = side;
    this.#emit = emit;
    this.#view = view;
    this.#order = new Map(side.graph.nodes.map((node, i) => [node, i]));
    for (const node of side.nodes) {
      const inputs = new Map(side.graph.inputsOf(node).map((name) => [name, this.#input(node, name)]));
      const copies = emit.copy(node, (name) => inputs.get(name) ?? name);
      for (const [original, copy] of copies) this.tensors.set(original, copy);
    }
  }

  /** What a tensor that a node takes is called for the chosen tokens. */
  #input(node: NodeProto, tensor: string): string {
    const { graph, region, axes, isKeyOrValue } = this.#side;
    const own = this.tensors.get(tensor);
    if (own !== undefined) return own;
    if (graph.initializers.has(tensor)) return tensor;
    if (isKeyOrValue(tensor)) return this.#view.resolve(tensor, region);
    if (this.#view.isActivation(tensor)) return this.#view.resolve(tensor, region + 1);
    // An operator that can do with fewer queries takes a mask and nothing else (wantsAllQueries).
    if (isAttention(node)) return this.#rows(this.#view.resolve(tensor, region), 4);
    const rotates = node.opType === 'RotaryEmbedding';
    if (rotates || this.#view.isRotary(tensor)) return this.#view.resolve(tensor, region + 1, rotates);
    const axis = axes.get(node.output.find((name) => name !== '') ?? '');
    const onScores = axis?.metKeys === true && isElementwise(node) && (rankOf(graph, tensor) ?? 2) > 1;
    if (!onScores) return this.#shape(node, tensor);
    if (axis.rank < 4 || axis.axis !== axis.rank - 2) {
      throw new FastvError('unsupported-decoder', `${label(node)} masks scores of an unclear layout`, {
        where: label(node),
      });
    }
    return this.#rows(this.#view.resolve(tensor, region), axis.rank);
  }

  /**
   * The chosen tokens' rows of a mask that is broadcast to [batch, …, sequence, total].
   * @param rank how many axes the scores have
   */
  #rows(mask: string, rank: number): string {
    const emit = this.#emit;
    const { region } = this.#side;
    const indices = this.#view.indices(region + 1);
    const one = emit.ints(1);
    const sequence = emit.reshape(this.#view.sequenceLength(region), one);
    const batch = emit.dim1(indices, 0);
    const between = Array.from({ length: rank - 3 }, () => one);
    const full = emit.op('Expand', [mask, emit.concat([batch, ...between, sequence, one], 0)]);
    const shape = emit.op('Shape', [full]);
    const total = emit.slice(shape, emit.ints(-1), emit.ints(Number.MAX_SAFE_INTEGER), 0);
    const rows = emit.reshape(full, emit.concat([emit.ints(-1), total], 0));
    // Each row of the batch has one plane of rows or several (one a head).
    const planes = emit.op('Div', [emit.dim(rows, 0), this.#view.sequenceLength(region)]);
    const starts = emit.op('Mul', [emit.range(planes), this.#view.sequenceLength(region)]);
    const grouped = emit.reshape(starts, emit.concat([batch, emit.ints(-1, 1)], 0));
    const chosen = emit.gather(rows, emit.op('Add', [grouped, emit.unsqueeze(indices, 1)]), 0);
    const head = emit.slice(shape, emit.ints(0), emit.ints(-2), 0);
    return emit.reshape(chosen, emit.concat([head, emit.dim1(indices, 1), total], 0));
  }

  /** A shape, or a number that is made of one, for the chosen tokens. */
  #shape(user: NodeProto, tensor: string): string {
    const { graph } = this.#side;
    const emit = this.#emit;
    const rename = (name: string): string => this.#shapes.get(name) ?? name;
    const ends = (name: string): boolean => this.#shapes.has(name) || this.#view.isActivation(name);
    const nodes = [...prologueOf(graph, [tensor], ends)];
    nodes.sort((a, b) => (this.#order.get(a) ?? 0) - (this.#order.get(b) ?? 0));
    for (const node of nodes) {
      const [source = ''] = node.input;
      const [output = ''] = node.output;
      if (SHAPE_ONLY.has(node.opType) && this.#view.isActivation(source)) {
        this.#shapes.set(output, this.#shapeOf(node, source, output));
        continue;
      }
      const outside = graph.inputsOf(node).find((name) => graph.inputs.has(name));
      if (outside !== undefined) {
        // It may be a length of keys as well as one of queries.
        throw new FastvError(
          'unsupported-decoder',
          `${label(user)} takes "${tensor}", which depends on "${outside}"`,
          { where: label(user) },
        );
      }
      const changed = graph.inputsOf(node).some((name) => rename(name) !== name);
      const copies = changed ? emit.copy(node, rename) : new Map<string, string>();
      for (const name of node.output) if (name !== '') this.#shapes.set(name, copies.get(name) ?? name);
    }
    return rename(tensor);
  }

  /** What looks at the shape of an activation. */
  #shapeOf(node: NodeProto, source: string, output: string): string {
    const { region, isKeyOrValue } = this.#side;
    const own = this.tensors.get(source);
    if (own !== undefined) return this.#emit.copy(node, () => own).get(output) ?? output;
    return isKeyOrValue(source) ? output : this.#view.resolve(output, region + 1);
  }
}
