// GroupQueryAttention (com.microsoft): q, k and v apart or packed, a mask by lengths, and inside it, if it wants, norms of
// q and k, their rotation, a local window, sinks. It keeps the cache itself and takes as many queries as new keys.
//
// With do_rotary = 1 it rotates by contiguous positions only: at prefill it silently ignores its position_ids input.
// After a cut positions have gaps, so q and k are rotated by RotaryEmbedding, which does take position_ids, and the
// operator rotates no longer. Norms come before rotation, so they go in front of it too (SimplifiedLayerNormalization);
// where the operator still rotates itself they stay inside.
import {
  DataType,
  elementType,
  floatAttribute,
  input,
  intAttribute,
  isOperator,
  label,
  MICROSOFT,
  withInputs,
  withoutAttributes,
  type Emitter,
  type GraphView,
  type OperatorNode,
} from '../../onnx/index.js';
import { FastvError } from '../../errors.js';
import { EMBEDS } from '../contract.js';
import { withBias } from './bias.js';
import type { AttentionCore, AttentionKind, RowContext } from './core.js';
import { headCounts, splitPacked } from './heads.js';
import { biased, zeroLost } from './hide.js';
import { operatorCore } from './operator.js';
import { attended, groupedQuery, lastMaskRow, lastOnes, lastQuery, operatorRows, placesOf } from './rows.js';

type Node = OperatorNode<'GroupQueryAttention'>;

export const groupQuery: AttentionKind = {
  name: 'GroupQueryAttention',
  canKeepCache: true,
  takes: (node) => isOperator(node, 'GroupQueryAttention'),

  find: (graph, cache, use) => {
    const node: Node = use.node;
    return operatorCore(graph, cache, use, {
      kind: groupQuery,
      pastKey: input(node, 'past_key'),
      query: input(node, 'query'),
      key: input(node, 'key'),
      value: input(node, 'value'),
      heads: 'num_heads',
      kvHeads: 'kv_num_heads',
      causal: true,
      rotation: intAttribute(node, 'do_rotary', 0) === 1 ? 'in-op' : 'outside',
      takesHeads: false,
    });
  },

  rows: (context) => {
    const { core, emit } = context;
    const node: Node = context.node;
    const { heads, kvHeads } = headCounts(core);
    let query = lastQuery(context, input(node, 'query')); // [batch, 1, heads · head size]
    if (input(node, 'key') === '') [query] = splitPacked(emit, query, core);
    query = normed(emit, core, query, input(node, 'q_norm_weight'), heads);
    // After an earlier cut the operator rotates no longer, and its query arrives rotated.
    if (core.rotation === 'in-op' && intAttribute(node, 'do_rotary', 0) === 1) {
      query = rotated(emit, context.graph, core, query, lastOnes(context, context.positions(), 1), heads);
    }
    return operatorRows(context, {
      query: groupedQuery(context, query),
      biases: lastMaskRow(context, input(node, 'attention_bias')),
      visible: visibleKeys(context),
      sink: sink(context, kvHeads, heads / kvHeads),
    });
  },

  hide: (context) => {
    const { core, emit } = context;
    const node: Node = core.node;
    const [query, key, value] = separate(emit, core, node);
    return new Map([
      [
        node,
        withInputs(node, {
          query,
          key: zeroLost(context, key),
          value,
          attention_bias: biased(context, input(node, 'attention_bias')),
        }),
      ],
    ]);
  },

  biasedNode: ({ node }) => node,

  biasKeys: (context) => {
    const node: Node = context.node;
    return withInputs(node, { attention_bias: withBias(context, input(node, 'attention_bias')) });
  },

  allQueries: ({ node }) => `${label(node)} takes as many queries as new keys`,

  // At the first call they count from 0, later from the row's valid length, whatever position_ids say.
  positions: (emit, graph, core) => {
    const node: Node = core.node;
    const sequence = emit.dim(EMBEDS, 1);
    // Lengths are int64 before they are cast for the operator; casting them back would bring them to a GPU and back.
    const int64 = (tensor: string, shape: string): string => {
      const before = graph.upstream(tensor, ({ opType }) => opType === 'Cast');
      if (elementType(graph, before) === DataType.INT64) return emit.reshape(before, shape);
      return emit.cast(emit.reshape(tensor, shape), DataType.INT64);
    };
    const total = int64(input(node, 'total_sequence_length'), emit.ints(1));
    const valid = int64(input(node, 'seqlens_k'), emit.ints(-1, 1));
    const past = emit.op('Sub', [emit.op('Add', [valid, emit.int(1)]), sequence]);
    const first = emit.op('Equal', [total, sequence]);
    return emit.op('Add', [emit.op('Where', [first, emit.int(0), past]), emit.range(sequence)]);
  },

  unrotated: (emit, core, take) => {
    const node: Node = core.node;
    const { queries, keys } = beforeRotation(emit, core, node, take);
    return { queries, keys, cos: input(node, 'cos_cache'), sin: input(node, 'sin_cache') };
  },

  rotateOutside: (emit, graph, core, node: Node, positions) => {
    const { heads, kvHeads } = headCounts(core);
    const { queries: q, keys: k, values: value } = beforeRotation(emit, core, node);
    return withInputs(withoutAttributes(node, 'do_rotary', 'rotary_interleaved', 'qk_norm_epsilon'), {
      query: rotated(emit, graph, core, q, positions, heads),
      key: rotated(emit, graph, core, k, positions, kvHeads),
      value,
      cos_cache: '',
      sin_cache: '',
      position_ids: '',
      q_norm_weight: '',
      k_norm_weight: '',
    });
  },
};

/** q, k and v, taken apart where they are packed. */
function separate(
  emit: Emitter,
  core: AttentionCore,
  node: Node,
  take: (tensor: string) => string = (tensor) => tensor,
): [string, string, string] {
  if (input(node, 'key') === '') return splitPacked(emit, take(input(node, 'query')), core);
  return [take(input(node, 'query')), take(input(node, 'key')), take(input(node, 'value'))];
}

/** q, k and v as they are when they are rotated: apart, and normalised where the operator does that. */
function beforeRotation(
  emit: Emitter,
  core: AttentionCore,
  node: Node,
  take?: (tensor: string) => string,
): { readonly queries: string; readonly keys: string; readonly values: string } {
  const { heads, kvHeads } = headCounts(core);
  const [query, key, values] = separate(emit, core, node, take);
  return {
    queries: normed(emit, core, query, input(node, 'q_norm_weight'), heads),
    keys: normed(emit, core, key, input(node, 'k_norm_weight'), kvHeads),
    values,
  };
}

/** q or k with every head normalised, as the operator does before it rotates: [batch, sequence, heads · head size]. */
function normed(emit: Emitter, { node }: AttentionCore, x: string, weight: string, heads: number): string {
  if (weight === '') return x;
  const perHead = emit.op(
    'SimplifiedLayerNormalization',
    [emit.reshape(x, emit.ints(0, 0, heads, -1)), weight],
    {
      attributes: { axis: -1n, epsilon: floatAttribute(node, 'qk_norm_epsilon', 1e-6), stash_type: 1n },
    },
  );
  return emit.reshape(perHead, emit.ints(0, 0, -1));
}

/**
 * q or k rotated as the operator would: [batch, sequence, heads · head size].
 * @param positions int64 [batch, sequence]
 */
function rotated(
  emit: Emitter,
  graph: GraphView,
  core: AttentionCore,
  x: string,
  positions: string,
  heads: number,
): string {
  const node: Node = core.node;
  const cos = input(node, 'cos_cache');
  const width = Number(graph.initializers.get(cos)?.dims[1] ?? 0n) * 2;
  if (width < 0 || !Number.isSafeInteger(width)) {
    throw new FastvError('unsupported-decoder', `the rotary cache "${cos}" has an impossible shape`, {
      where: label(node),
    });
  }
  const partial = width > 0 && core.headSize !== undefined && width !== core.headSize;
  return emit.op('RotaryEmbedding', [x, positions, cos, input(node, 'sin_cache')], {
    domain: MICROSOFT,
    attributes: {
      interleaved: BigInt(intAttribute(node, 'rotary_interleaved', 0)),
      num_heads: BigInt(heads),
      rotary_embedding_dim: BigInt(partial ? width : 0),
    },
  });
}

/** Which keys the last tokens may look at, as {@link attended} has it. */
function visibleKeys(context: RowContext): string {
  const { emit, node, mask } = context;
  const valid = attended(context);
  const window = intAttribute(node, 'local_window_size', -1);
  if (window <= 0) return valid;
  const last = emit.op('Sub', [placesOf(context), emit.int(window)]);
  // [rows, total], broadcast over the batch
  const near = emit.op('Greater', [emit.range(emit.dim(mask, 1)), emit.unsqueeze(last, 1)]);
  return emit.op('And', [valid, context.count === undefined ? near : emit.unsqueeze(near, 0)]);
}

/** The score of the sink: [1, KV heads, group, 1], or undefined if the operator has none. */
function sink({ emit, ...context }: RowContext, kvHeads: number, group: number): string | undefined {
  const node: Node = context.node;
  const given = input(node, 'head_sink');
  const shape = emit.ints(1, kvHeads, group, 1);
  if (given !== '') return emit.reshape(emit.cast(given, DataType.FLOAT), shape);
  return intAttribute(node, 'smooth_softmax', 0) === 1
    ? emit.op('Expand', [emit.float(0), shape])
    : undefined;
}
