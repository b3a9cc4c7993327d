// MultiHeadAttention (com.microsoft): q, k and v apart, as many KV heads as heads, rotation before it. It keeps the
// cache itself, or takes present keys and values with four axes.
import { FastvError } from '../../errors.js';
import { input, intAttribute, isOperator, label, withInputs, withoutAttributes } from '../../onnx/index.js';
import type { OperatorNode } from '../../onnx/index.js';
import { withBias } from './bias.js';
import { cacheOutside, staysInside } from './cache-outside.js';
import type { AttentionKind } from './core.js';
import { biased, hideKeysInCache, zeroLost } from './hide.js';
import { operatorCore, refuse } from './operator.js';
import { attended, groupedQuery, lastMaskRow, lastQuery, operatorRows } from './rows.js';

type Node = OperatorNode<'MultiHeadAttention'>;

export const multiHead: AttentionKind = {
  name: 'MultiHeadAttention',
  canKeepCache: true,
  takes: (node) => isOperator(node, 'MultiHeadAttention'),

  find: (graph, cache, use) => {
    const node: Node = use.node;
    if (input(node, 'key') === '') {
      throw refuse(cache, `${label(node)} has packed q, k and v; expected separate ones`);
    }
    return operatorCore(graph, cache, use, {
      kind: multiHead,
      pastKey: input(node, 'past_key'),
      query: input(node, 'query'),
      key: input(node, 'key'),
      value: input(node, 'value'),
      heads: 'num_heads',
      kvHeads: 'num_heads',
      causal: intAttribute(node, 'unidirectional', 0) !== 0,
      rotation: 'outside',
      takesHeads: false,
    });
  },

  rows: (context) => {
    const { emit } = context;
    const node: Node = context.node;
    let query = lastQuery(context, input(node, 'query')); // [batch, 1, heads · head size]
    const bias = input(node, 'bias');
    if (bias !== '') {
      query = emit.op('Add', [query, emit.slice(bias, emit.ints(0), emit.dim1(query, 2), 0)]);
    }
    return operatorRows(context, {
      query: groupedQuery(context, query),
      biases: lastMaskRow(context, input(node, 'attention_bias')),
      visible: attended(context),
    });
  },

  hide: (context) => {
    const { core } = context;
    const node: Node = core.node;
    if (input(node, 'bias') !== '') {
      throw new FastvError(
        'unsupported-decoder',
        `${label(node)} adds a bias to its keys, which masking mode cannot mark`,
        { where: `layer ${core.layer}`, hint: 'Use dropping mode.' },
      );
    }
    const key = core.cacheInside ? { key: zeroLost(context, input(node, 'key')) } : {};
    const attention_bias = biased(context, input(node, 'attention_bias'));
    return new Map([...hideKeysInCache(context), [node, withInputs(node, { ...key, attention_bias })]]);
  },

  biasedNode: ({ node }) => node,

  biasKeys: (context) => {
    const node: Node = context.node;
    return withInputs(node, { attention_bias: withBias(context, input(node, 'attention_bias')) });
  },

  allQueries: (core) => staysInside(core, TAKEN),

  cacheOutside: (emit, graph, core) => {
    const node: Node = core.node;
    return cacheOutside(emit, graph, core, {
      query: input(node, 'query'),
      key: input(node, 'key'),
      value: input(node, 'value'),
      mask: input(node, 'attention_bias'),
      boolMask: false,
      needsHeads: false,
      outside: ({ query, key, value, mask: attention_bias }) =>
        withInputs(withoutAttributes(node, 'unidirectional'), {
          query,
          key,
          value,
          attention_bias,
          past_key: '',
          past_value: '',
        }),
    });
  },
};

/** The inputs that it may have where its cache can be outside. */
const TAKEN: ReadonlySet<string> = new Set([
  'query',
  'key',
  'value',
  'attention_bias',
  'past_key',
  'past_value',
]);
