// Hiding tokens from attention (masking mode): a bias that loses every softmax, and keys of zeros, which mark the lost
// tokens in the cache for later calls.
import { DataType, NodeProtoSchema, withFields, type NodeProto } from '../../onnx/index.js';
import { EMBEDS } from '../contract.js';
import type { AttentionCore, HideContext } from './core.js';

/** A score that loses every softmax, and that does not overflow where it is added to another mask. */
export function low({ elementType }: AttentionCore): number {
  return elementType === DataType.FLOAT16 ? -3e4 : -1e30;
}

/** New keys with zeros at the lost tokens, in the layout that they have. */
export function zeroLost({ emit, core, hidden }: HideContext, keys: string, layout = core.layout): string {
  const keep = emit.cast(emit.op('Not', [hidden.lost]), core.elementType); // [batch, sequence]
  return emit.op('Mul', [keys, layout === 'BNSH' ? emit.unsqueeze(keep, 1, 3) : emit.unsqueeze(keep, 2)]);
}

/** Where the cache is outside the operator: new keys are marked in front of the Concat that appends them. */
export function hideKeysInCache(context: HideContext): Map<NodeProto, NodeProto> {
  const { core, graph } = context;
  const concat = core.cacheInside ? undefined : graph.producer(core.keys);
  if (concat === undefined) return new Map();
  const keys = concat.input.slice(-1).map((tensor) => zeroLost(context, tensor, 'BNSH'));
  return new Map([[concat, withInput(concat, [...concat.input.slice(0, -1), ...keys])]]);
}

/** What is added to the scores of past and present tokens: [batch, total]. */
export function biasRow({ emit, core, hidden }: HideContext): string {
  const row = emit.op('Where', [hidden.lostTotal, emit.float(low(core)), emit.float(0)]);
  return emit.cast(row, core.elementType);
}

/** A mask with the bias added, or the bias alone: [batch, 1, sequence, total], as operators want it. */
export function biased(context: HideContext, mask: string): string {
  const bias = context.emit.unsqueeze(biasRow(context), 1, 2);
  return mask === '' ? fullMask(context, bias) : context.emit.op('Add', [mask, bias]);
}

/** One row for all queries, repeated for each: [batch, 1, sequence, total]. */
export function fullMask({ emit, hidden }: HideContext, row: string): string {
  const one = emit.ints(1);
  const axes = [emit.dim1(EMBEDS, 0), one, emit.dim1(EMBEDS, 1), emit.dim1(hidden.lostTotal, 1)];
  return emit.op('Expand', [row, emit.concat(axes, 0)]);
}

/** A copy of a node with other inputs. */
export function withInput(node: NodeProto, input: readonly string[]): NodeProto {
  return withFields(NodeProtoSchema, node, { input: [...input] });
}
