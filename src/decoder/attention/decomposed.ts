// Attention written out: MatMul – Softmax – MatMul, as eager and SDPA exports have it; heads repeated or regrouped
// ([batch, KV heads, group, …]), with a sink or without. Its softmax is there, so the last row is cut out of it (or out
// of a copy for the last token alone, queries.ts).
import {
  DataType,
  elementType,
  firstInput,
  input,
  inSet,
  int64Tensor,
  intAttribute,
  label,
  type Emitter,
  type GraphView,
} from '../../onnx/index.js';
import type { AttentionCore, AttentionKind, CacheNames, KeyUse } from './core.js';
import { biasRow, hideKeysInCache, withInput } from './hide.js';
import { cacheShape, headsBeforeProjection, refuse, sequenceMajor } from './operator.js';
import { followPath } from './path.js';
import { lastOnes, toFloat } from './rows.js';

const MATMULS = new Set(['MatMul', 'FusedMatMul']);
const SOFTMAX = new Set(['Softmax']);
/** Ops between the scores and their softmax. */
const ON_SCORES = new Set(
  'Add Mul Div Sub Where Cast CastLike Tanh Reshape Max Min Clip Identity Concat'.split(' '),
);
/** Ops between the softmax and the product with the values. */
const ON_PROBABILITIES = new Set('Cast CastLike Where Mul Reshape Identity Dropout Expand Slice'.split(' '));
/** Ops between a weight and the product that it is for. */
const ON_WEIGHTS = new Set('Identity Cast Transpose DequantizeLinear'.split(' '));

export const decomposed: AttentionKind = {
  name: 'decomposed',
  canKeepCache: false,
  takes: inSet(MATMULS),
  find: findDecomposed,

  rows: (context) => {
    const { core, emit, rowSource = core.rowSource, count } = context;
    const row = lastOnes(context, toFloat(emit, lastOnes(context, rowSource, -2), core.elementType), -2);
    // [batch, heads, rows, total], or [batch, KV heads, group, rows, total] where heads are regrouped.
    const rows = count === undefined ? [] : [count];
    const shape = emit.concat([emit.ints(0), emit.ints(-1), ...rows, emit.dim1(row, -1)], 0);
    return { rows: emit.reshape(row, shape), headAxes: [1] };
  },

  hide: (context) => {
    const { core, emit } = context;
    const changed = hideKeysInCache(context);
    const user = core.scoresUser;
    if (user === undefined) return changed;
    const scores = firstInput(user);
    const hiding = emit.op('Add', [scores, likeScores(emit, biasRow(context), scores)]);
    return new Map([...changed, [user, withInput(user, [hiding, ...user.input.slice(1)])]]);
  },

  biasedNode: ({ node, scoresUser = node }) => scoresUser,

  biasKeys: ({ emit, core, node, bias }) => {
    const scores = firstInput(node);
    const row = likeScores(emit, emit.cast(bias, core.elementType), scores);
    return withInput(node, [emit.op('Add', [scores, row]), ...node.input.slice(1)]);
  },

  allQueries: () => undefined,
};

function findDecomposed(graph: GraphView, cache: CacheNames, use: KeyUse): AttentionCore {
  const { node: scores, concat } = use;
  if (graph.initializers.has(graph.upstream(input(scores, 'B'), inSet(ON_WEIGHTS)))) {
    throw refuse(
      cache,
      `${label(scores)} makes keys of the cache "${cache.pastKey}" by a weight: multi-head latent attention (DeepSeek's), ` +
        'whose caches hold latents in the place of keys and values',
    );
  }
  const [softmax = scores, product = scores] = followPath(graph, cache, scores, [
    { to: SOFTMAX, through: ON_SCORES, missing: 'the scores of % meet no Softmax' },
    { to: MATMULS, through: ON_PROBABILITIES, missing: 'the probabilities of % meet no values' },
  ]);
  const axis = intAttribute(softmax, 'axis', -1);
  if (axis < 0 ? axis !== -1 : axis < 3) {
    throw refuse(cache, `${label(softmax)} does not normalise over the keys`);
  }
  // A sink is a column that is added to the scores and cut off the probabilities again.
  const beforeConcat = inSet(new Set([...ON_SCORES].filter((op) => op !== 'Concat')));
  const sink = graph.downstream(scores, ({ opType }) => opType === 'Concat', beforeConcat);
  const cutOff =
    sink === undefined
      ? undefined
      : graph.downstream(softmax, ({ opType }) => opType === 'Slice', inSet(ON_PROBABILITIES));
  const output = sequenceMajor(graph, cache, product);
  const [newKeys = ''] = concat?.input.slice(-1) ?? [];
  const shape = cacheShape(graph, cache);
  return {
    ...cache,
    ...shape,
    kind: decomposed,
    node: product,
    rowSource: (cutOff ?? softmax).output[0] ?? '',
    scoresUser: cutOff === undefined ? softmax : (sink ?? softmax),
    elementType: elementType(graph, softmax.output[0] ?? '') ?? DataType.FLOAT,
    keys: concat?.output[0] ?? '',
    newKeys,
    queries: firstInput(scores),
    output,
    layout: 'BNSH',
    cacheInside: false,
    causal: false,
    heads: headsBeforeProjection(graph, output, shape.headSize),
    rotation: 'outside',
  };
}

/** [batch, total] with as many axes as the scores have: [batch, 1, …, total]. */
function likeScores(emit: Emitter, row: string, scores: string): string {
  const axes = emit.op('Shape', [emit.op('Shape', [scores])]);
  const between = emit.op('ConstantOfShape', [emit.op('Sub', [axes, emit.ints(2)])], {
    attributes: { value: int64Tensor([1]) },
  });
  return emit.reshape(row, emit.concat([emit.dim1(row, 0), between, emit.dim1(row, 1)], 0));
}
