// Finds the attention of a layer, starting from its KV cache: whoever uses past_key_values.i.key is the attention
// operator itself, or the Concat in front of it. What stands there decides the kind; the kind's own file reads the rest.
// Anything else is refused, naming the node.
import { inSet, label, type GraphView, type NodeProto } from '../../onnx/index.js';
import { SHAPE_ONLY } from '../dependence.js';
import type { AttentionCore, AttentionKind, CacheNames, KeyUse } from './core.js';
import { decomposed } from './decomposed.js';
import { groupQuery } from './group-query.js';
import { multiHead } from './multi-head.js';
import { onnxAttention } from './onnx.js';
import { isOtherName, refuse } from './operator.js';
import { croppedTo } from './sliding-caches.js';

/** The kinds of attention that are known. */
const attentionKinds: readonly AttentionKind[] = [groupQuery, multiHead, onnxAttention, decomposed];

/** Ops through which keys pass on without their tokens mixing. */
const LAYOUT = new Set('Identity Cast Transpose Reshape Expand Tile Unsqueeze Squeeze Flatten'.split(' '));
/** The same behind the Concat, where keys may be scaled too. */
const ON_KEYS = new Set([...LAYOUT, 'Mul', 'Div']);

/**
 * Finds the attention of one layer.
 * @throws {FastvError} `unsupported-decoder`, naming the node that was not understood and what was expected
 */
export function findAttention(graph: GraphView, cache: CacheNames): AttentionCore {
  const use = keyUse(graph, cache);
  const kind = kindOf(use.node);
  if (kind === undefined) throw refuse(cache, `${label(use.node)} is no attention operator that is known`);
  return kind.find(graph, cache, use);
}

/** The kind of attention that a node belongs to, if it is where one takes its keys. */
function kindOf(node: NodeProto): AttentionKind | undefined {
  return attentionKinds.find((kind) => kind.takes(node));
}

function keyUse(graph: GraphView, cache: CacheNames): KeyUse {
  const users = usersOf(graph, cache.pastKey);
  const [user] = users;
  if (user === undefined || users.length > 1) {
    const what = user === undefined ? 'nothing' : `${users.length} nodes (${users.map(label).join(', ')})`;
    throw refuse(
      cache,
      `${what} attend to "${cache.pastKey}"; expected one attention operator or one Concat`,
    );
  }
  const crop = croppedTo(graph, user);
  if (crop !== undefined) {
    throw refuse(
      cache,
      `${label(user)} keeps only the last ${crop} tokens of the cache "${cache.pastKey}": a sliding cache`,
      'Export the decoder with DynamicCache() instead of DynamicCache(config=…): its layers keep every token, ' +
        'and their window stays in the attention mask.',
    );
  }
  const takesCache = (node: NodeProto): boolean => isAppend(node) || kindOf(node)?.canKeepCache === true;
  // A cache may be cast or reshaped first.
  const layout = (node: NodeProto): boolean => LAYOUT.has(node.opType) || isOtherName(node);
  const taker =
    takesCache(user) || !layout(user) ? user : (graph.downstream(user, takesCache, layout) ?? user);
  if (!takesCache(taker)) throw refuse(cache, `${label(user)} is no attention operator that is known`);
  if (!isAppend(taker)) return { node: taker, concat: undefined };
  const node = graph.downstream(taker, (next) => kindOf(next) !== undefined, inSet(ON_KEYS));
  if (node === undefined) {
    throw refuse(cache, `the keys of ${label(taker)} meet no MatMul or attention operator`);
  }
  return { node, concat: taker };
}

/**
 * How many other attentions meet a layer's keys: those of later layers without a cache of their own, as in Gemma 3n and 4.
 */
export function sharersOf(graph: GraphView, { keys, node }: AttentionCore): number {
  const met = new Set<NodeProto>();
  const seen = new Set<string>();
  const stack = [keys];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const user of graph.consumers(name)) {
      if (kindOf(user) !== undefined) met.add(user);
      else if (ON_KEYS.has(user.opType)) stack.push(...user.output);
    }
  }
  met.delete(node);
  // written out, the layer's own scores are a node besides
  return Math.max(0, met.size - (kindOf(node)?.canKeepCache === true ? 0 : 1));
}

/** Whether a node appends new keys to past ones. */
function isAppend(node: NodeProto): boolean {
  return node.opType === 'Concat' && node.input.length > 1;
}

/** Who uses a tensor's values: not who looks at its shape, and not those who only pass it on under another name. */
function usersOf(graph: GraphView, tensor: string): NodeProto[] {
  const users = new Set<NodeProto>();
  const stack = [tensor];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    for (const node of graph.consumers(name)) {
      if (SHAPE_ONLY.has(node.opType)) continue;
      if (isOtherName(node)) for (const output of node.output) stack.push(output);
      else users.add(node);
    }
  }
  return [...users];
}
