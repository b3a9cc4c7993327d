// Attention (opset 23 and 24): four axes, or three with the numbers of heads as attributes; masks of bool or float;
// rotation before it. It keeps the cache itself, or takes present keys and values.
import {
  DataType,
  elementType,
  input,
  intAttribute,
  isOperator,
  withInputs,
  withoutAttributes,
  type OperatorNode,
} from '../../onnx/index.js';
import { biasRow, withBias } from './bias.js';
import { cacheOutside, staysInside } from './cache-outside.js';
import type { AttentionKind, RowContext } from './core.js';
import { biased, fullMask, hideKeysInCache, low, zeroLost } from './hide.js';
import { operatorCore } from './operator.js';
import { attended, groupedQuery, lastOnes, lastQuery, MASKED, operatorRows } from './rows.js';

type Node = OperatorNode<'Attention'>;

export const onnxAttention: AttentionKind = {
  name: 'Attention',
  canKeepCache: true,
  takes: (node) => isOperator(node, 'Attention'),

  find: (graph, cache, use) => {
    const node: Node = use.node;
    return operatorCore(graph, cache, use, {
      kind: onnxAttention,
      pastKey: input(node, 'past_key'),
      query: input(node, 'Q'),
      key: input(node, 'K'),
      value: input(node, 'V'),
      heads: 'q_num_heads',
      kvHeads: 'kv_num_heads',
      causal: intAttribute(node, 'is_causal', 0) !== 0,
      rotation: 'outside',
      takesHeads: true,
    });
  },

  rows: (context) => {
    const node: Node = context.node;
    const mask = input(node, 'attn_mask');
    return operatorRows(context, {
      query: groupedQuery(context, lastQuery(context, input(node, 'Q'))),
      biases: mask === '' ? [] : [lastRowOfMask(context, mask)],
      visible: attended(context),
    });
  },

  hide: (context) => {
    const { core, emit, graph, hidden } = context;
    const node: Node = core.node;
    const K = core.cacheInside ? { K: zeroLost(context, input(node, 'K')) } : {};
    const mask = input(node, 'attn_mask');
    const seen = (): string => emit.unsqueeze(emit.op('Not', [hidden.lostTotal]), 1, 2);
    const attn_mask =
      mask !== '' && elementType(graph, mask) === DataType.BOOL
        ? fullMask(context, emit.op('And', [mask, seen()]))
        : biased(context, mask);
    return new Map([...hideKeysInCache(context), [node, withInputs(node, { ...K, attn_mask })]]);
  },

  biasedNode: ({ node }) => node,

  biasKeys: (context) => {
    const { core, emit, graph } = context;
    const node: Node = context.node;
    const original: Node = core.node;
    const mask = input(node, 'attn_mask');
    const isBool = mask !== '' && elementType(graph, input(original, 'attn_mask')) === DataType.BOOL;
    const attn_mask = isBool
      ? emit.op('Where', [mask, biasRow(context), emit.cast(emit.float(low(core)), core.elementType)])
      : withBias(context, mask);
    return withInputs(node, { attn_mask });
  },

  allQueries: (core) => staysInside(core, TAKEN),

  cacheOutside: (emit, graph, core) => {
    const node: Node = core.node;
    const needsHeads = core.layout === 'BSH';
    const gone = needsHeads ? ['is_causal', 'q_num_heads', 'kv_num_heads'] : ['is_causal'];
    return cacheOutside(emit, graph, core, {
      query: input(node, 'Q'),
      key: input(node, 'K'),
      value: input(node, 'V'),
      mask: input(node, 'attn_mask'),
      boolMask: true,
      needsHeads,
      outside: ({ query: Q, key: K, value: V, mask: attn_mask }) =>
        withInputs(withoutAttributes(node, ...gone), {
          Q,
          K,
          V,
          attn_mask,
          past_key: '',
          past_value: '',
        }),
    });
  },
};

/** The inputs that it may have where its cache can be outside. */
const TAKEN: ReadonlySet<string> = new Set(['Q', 'K', 'V', 'attn_mask', 'past_key', 'past_value']);

/** The last queries' rows of a mask (bool or float, two to four axes) as an additive float bias. */
function lastRowOfMask(context: RowContext, mask: string): string {
  const { emit, graph, core, weighed } = context;
  const row = lastOnes(context, mask, -2);
  if (weighed === true) return emit.castToFloat(row);
  const original: Node = core.node;
  const type = elementType(graph, input(original, 'attn_mask'));
  if (type === DataType.BOOL) return emit.op('Where', [row, emit.float(0), emit.float(MASKED)]);
  return type === DataType.FLOAT ? row : emit.cast(row, DataType.FLOAT);
}
