// Queries of the kept tokens only, at layer K−1. The cut falls after that layer's attention, but the tokens that it
// drops need no queries even there: their attention result is used by nothing. Their keys and values are used, and stay
// in the cache of layer K−1. So:
//
// 1. The tokens are ranked with the query of the last token alone.
// 2. Only the kept tokens' hidden states go into the query projection, its norm and rotation, and meet all keys.
//
// Both are the same part of the graph, the query side: what lies between the hidden states and the result of the
// attention, and is not made of keys and values alone. For the kept tokens it is put behind the cut; for the last token
// it is copied. What it takes from outside is
// - an activation, which is carried to the chosen tokens; where q, k and v are one projection that is its result;
// - keys and values, which are taken whole;
// - rotary tables and positions, which are made for the chosen tokens as they are after the cut;
// - a mask [.., sequence, total] on the scores or into the operator, of which the chosen rows are taken;
// - shapes, which are computed again from the chosen tokens.
//
// That is decomposed attention, and MultiHeadAttention and Attention (opset 23) with their cache outside
// (attention/cache-outside.ts). GroupQueryAttention takes as many queries as new keys. Scales of dynamic quantisation
// are taken over all tokens, as before.
import type { AttentionCore } from '../decoder/attention/core.js';
import { EMBEDS } from '../decoder/contract.js';
import { isElementwise, takesQueries } from '../decoder/axis-rules.js';
import { dependents, prologueOf, SHAPE_ONLY } from '../decoder/dependence.js';
import { queryAxes, type QueryPart } from '../decoder/query-axis.js';
import type { TokenAxis } from '../decoder/token-axis.js';
import { FastvError } from '../errors.js';
import { label, rankOf, renameInputs, type Emitter, type NodeProto } from '../onnx/index.js';
import type { Partition } from './partition.js';
import type { Sequence } from './sequence.js';
import { substitution } from './substitute.js';

/** What a node of a query side takes a tensor as. */
type Role = 'own' | 'constant' | 'whole' | 'tokens' | 'rotation' | 'rows' | 'shape';

/** The query side of one layer's attention, which can be computed for some of its tokens. */
export class QuerySide {
  readonly core: AttentionCore;
  readonly nodes: readonly NodeProto[];
  readonly #part: QueryPart;
  readonly #partition: Partition;
  readonly #made: ReadonlySet<string>;
  readonly #axes: ReadonlyMap<string, TokenAxis>;
  readonly #shapes = new WeakMap<Sequence, (tensor: string) => string>();

  /**
   * Finds the query side of a layer's attention.
   * @throws {FastvError} `unsupported-decoder` where its queries cannot be computed for some tokens only, with the reason
   */
  constructor(partition: Partition, core: AttentionCore) {
    const { flow, decoder } = partition;
    const whole = wantsAllQueries(core);
    if (whole !== undefined) throw refusal(core, whole);
    const fromCache = dependents(decoder.graph, [core.pastKey, core.pastValue]).tensors;
    this.core = core;
    this.nodes = queryNodes(partition, core, fromCache);
    this.#partition = partition;
    this.#made = new Set(this.nodes.flatMap(({ output }) => output));
    this.#part = {
      graph: decoder.graph,
      nodes: this.nodes,
      isKeyOrValue: (tensor) => fromCache.has(tensor) && !this.#made.has(tensor),
      isActivation: (tensor) => flow.isActivation(tensor),
      sequenceAxis: (tensor) => flow.sequenceAxis(tensor),
    };
    this.#axes = queryAxes(this.#part);
    const result = this.#axes.get(core.output);
    const row = this.#axes.get(core.rowSource);
    if (result?.axis !== 1 || !result.metKeys || row?.axis !== (row?.rank ?? 0) - 2)
      throw refusal(core, `"${core.output}" is not made of queries as expected`);
    for (const node of this.nodes)
      for (const tensor of decoder.graph.inputsOf(node)) this.#check(node, tensor);
    const needed = this.#neededForAll();
    if (needed !== undefined) throw refusal(core, `${label(needed)} is needed for all tokens`);
  }

  /** A node of the side as it stands behind the cut, for the tokens that are kept there. */
  inPlace(node: NodeProto, kept: Sequence, emit: Emitter): NodeProto {
    const inputs = this.#inputs(node, kept, emit, new Map());
    return renameInputs(node, (name) => inputs.get(name) ?? name);
  }

  /** The side once more, for one token of each row: what its attention is computed from ({@link AttentionCore.rowSource}). */
  lastRow(sequence: Sequence, emit: Emitter): string {
    const copies = new Map<string, string>();
    const place = emit.reshape(emit.op('Sub', [sequence.length(), emit.int(1)]), emit.ints(1, 1));
    const shape = emit.concat([emit.dim1(EMBEDS, 0), emit.ints(1)], 0);
    const last = sequence.after(emit.op('Expand', [place, shape]), copies);
    for (const node of this.nodes) {
      const inputs = this.#inputs(node, last, emit, copies);
      for (const [old, copy] of emit.copy(node, (name) => inputs.get(name) ?? name)) copies.set(old, copy);
    }
    return copies.get(this.core.rowSource) ?? '';
  }

  /** What a node's inputs are called for the chosen tokens. */
  #inputs(
    node: NodeProto,
    chosen: Sequence,
    emit: Emitter,
    copies: ReadonlyMap<string, string>,
  ): ReadonlyMap<string, string> {
    const { graph } = this.#part;
    const named = (tensor: string): string => {
      switch (this.#role(node, tensor)) {
        case 'own':
          return copies.get(tensor) ?? tensor;
        case 'constant':
          return tensor;
        case 'whole':
          return chosen.before.resolve(tensor);
        case 'tokens':
          return chosen.resolve(tensor);
        case 'rotation':
          return chosen.resolve(tensor, node.opType === 'RotaryEmbedding');
        case 'rows':
          return rowsOf(emit, chosen, chosen.before.resolve(tensor), this.#rank(node));
        case 'shape':
          return this.#shape(chosen, emit, copies)(tensor);
      }
    };
    return new Map(graph.inputsOf(node).map((tensor) => [tensor, named(tensor)]));
  }

  #role(node: NodeProto, tensor: string): Role {
    const { graph, isKeyOrValue, isActivation } = this.#part;
    if (this.#made.has(tensor)) return 'own';
    if (graph.initializers.has(tensor)) return 'constant';
    if (isKeyOrValue(tensor)) return 'whole';
    if (isActivation(tensor)) return 'tokens';
    // An operator that can do with fewer queries takes a mask and nothing else (wantsAllQueries).
    if (takesQueries(node)) return 'rows';
    if (node.opType === 'RotaryEmbedding' || this.#partition.flow.isRotary(tensor)) return 'rotation';
    const masks = this.#axis(node)?.metKeys === true && isElementwise(node);
    return masks && (rankOf(graph, tensor) ?? 2) > 1 ? 'rows' : 'shape';
  }

  #axis(node: NodeProto): TokenAxis | undefined {
    return this.#axes.get(node.output.find((name) => name !== '') ?? '');
  }

  /** How many axes the scores have that a mask goes on. */
  #rank(node: NodeProto): number {
    return takesQueries(node) ? 4 : (this.#axis(node)?.rank ?? 4);
  }

  /** Checks that an input can be made for some tokens only. @throws {FastvError} `unsupported-decoder` */
  #check(node: NodeProto, tensor: string): void {
    const { graph, isActivation } = this.#part;
    const role = this.#role(node, tensor);
    const axis = this.#axis(node);
    if (role === 'tokens') this.#part.sequenceAxis(tensor);
    const [rank, queries] = [axis?.rank ?? 0, axis?.axis ?? 0];
    if (role === 'rows' && !takesQueries(node) && (rank < 4 || queries !== rank - 2)) {
      throw new FastvError('unsupported-decoder', `${label(node)} masks scores of an unclear layout`, {
        where: label(node),
      });
    }
    if (role !== 'shape') return;
    for (const made of prologueOf(graph, [tensor], isActivation)) {
      const outside = graph.inputsOf(made).find((name) => graph.inputs.has(name) && !isActivation(name));
      if (outside === undefined) continue;
      // It may be a length of keys as well as one of queries.
      throw new FastvError(
        'unsupported-decoder',
        `${label(node)} takes "${tensor}", which depends on "${outside}"`,
        { where: label(node) },
      );
    }
  }

  /**
   * A node of the side whose result something else needs for all tokens: a graph output, or what lies before the cut and
   * looks at its shape. (Its values reach nothing before the cut but the side itself.)
   */
  #neededForAll(): NodeProto | undefined {
    const { graph, isActivation } = this.#part;
    const own = new Set(this.nodes);
    const stage = this.#partition.stageOf(this.core.node);
    const reachesBeforeCut = (tensor: string): boolean => {
      const seen = new Set<string>();
      const stack = [tensor];
      for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
        if (seen.has(name)) continue;
        seen.add(name);
        if (graph.outputs.has(name)) return true;
        for (const user of graph.consumers(name)) {
          const makesActivation = user.output.some((output) => output !== '' && isActivation(output));
          if (own.has(user)) {
            if (name !== tensor && this.#role(user, name) === 'rows') return true;
          } else if (!makesActivation) {
            for (const output of user.output) if (output !== '') stack.push(output);
          } else if (this.#partition.stageOf(user) <= stage) return true;
        }
      }
      return false;
    };
    return this.nodes.find(({ output }) => output.some((name) => name !== '' && reachesBeforeCut(name)));
  }

  /** Shapes, and numbers that are made of them, for the chosen tokens. */
  #shape(chosen: Sequence, emit: Emitter, copies: ReadonlyMap<string, string>): (tensor: string) => string {
    const { graph, isActivation, isKeyOrValue } = this.#part;
    let known = this.#shapes.get(chosen);
    if (known === undefined) {
      known = substitution(graph, emit, {
        leaf: (tensor) => (isActivation(tensor) ? tensor : undefined),
        shapeOf: (node, source) => {
          if (!isActivation(source)) return undefined;
          const [output = ''] = node.output;
          const copy = copies.get(source);
          if (copy !== undefined) return emit.copy(node, () => copy).get(output);
          return this.#made.has(source) || isKeyOrValue(source) ? output : chosen.resolve(output);
        },
      });
      this.#shapes.set(chosen, known);
    }
    return known;
  }
}

/** Why an attention cannot do with fewer queries, whatever surrounds it; undefined if it can. */
function wantsAllQueries(core: AttentionCore): string | undefined {
  const always = core.kind.allQueries(core);
  if (always !== undefined) return always;
  if (core.cacheInside) return `${label(core.node)} keeps its cache itself`;
  return core.causal ? `${label(core.node)} masks the future by the places of its queries` : undefined;
}

function refusal({ layer }: AttentionCore, message: string): FastvError {
  return new FastvError('unsupported-decoder', message, { where: `layer ${layer}` });
}

/** The nodes between a layer's hidden states and its attention's result, without those of keys and values. */
function queryNodes(
  { decoder, flow }: Partition,
  core: AttentionCore,
  fromCache: ReadonlySet<string>,
): NodeProto[] {
  const { graph, layers } = decoder;
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
      flow.isActivation(input) && !fromCache.has(input) && flow.sequenceAxis(input) === 1;
    if (!fromQueries && !graph.inputsOf(node).some(takesTokens)) return false;
    for (const output of node.output) if (output !== '') made.add(output);
    return true;
  });
}

/**
 * The chosen tokens' rows of a mask that is broadcast to [batch, …, sequence, total].
 * @param rank how many axes the scores have
 */
function rowsOf(emit: Emitter, chosen: Sequence, mask: string, rank: number): string {
  const { indices, before } = chosen;
  const one = emit.ints(1);
  const sequence = emit.reshape(before.length(), one);
  const batch = emit.dim1(indices, 0);
  const between = Array.from({ length: rank - 3 }, () => one);
  const full = emit.op('Expand', [mask, emit.concat([batch, ...between, sequence, one], 0)]);
  const shape = emit.op('Shape', [full]);
  const total = emit.slice(shape, emit.ints(-1), emit.ints(Number.MAX_SAFE_INTEGER), 0);
  const rows = emit.reshape(full, emit.concat([emit.ints(-1), total], 0));
  // Each row of the batch has one plane of rows or several (one a head).
  const planes = emit.op('Div', [emit.dim(rows, 0), before.length()]);
  const starts = emit.op('Mul', [emit.range(planes), before.length()]);
  const grouped = emit.reshape(starts, emit.concat([batch, emit.ints(-1, 1)], 0));
  const picked = emit.gather(rows, emit.op('Add', [grouped, emit.unsqueeze(indices, 1)]), 0);
  const head = emit.slice(shape, emit.ints(0), emit.ints(-2), 0);
  return emit.reshape(picked, emit.concat([head, emit.dim1(indices, 1), total], 0));
}
