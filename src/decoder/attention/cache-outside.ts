// An attention operator that keeps the KV cache itself, taken apart: the cache grows by a Concat in front of it.
//
// MultiHeadAttention and Attention (opset 23) take past keys and values and give the present ones. So nobody has this
// call's keys before the queries have met them. Outside, keys can be ranked first, and met by fewer queries afterwards.
//
// 1. present = Concat(past, new), [batch, KV heads, total, head size], under the names that the operator gave it;
// 2. the operator takes the present keys and values, with four axes, and no past;
// 3. where the operator masked the future by the places of its queries (`unidirectional`, `is_causal`), a mask does it
//    now, because queries that stand alone have no places;
// 4. Attention with three axes gets four.
//
// The result is the same: every operator that keeps a cache does the same Concat inside.
import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema, type NodeProto } from 'onnx-buf';
import {
  DataType,
  elementType,
  intAttribute,
  label,
  type Emitter,
  type GraphView,
} from '../../onnx/index.js';
import type { AttentionCore } from './core.js';

/** Input positions, and the attribute that masks the future. */
const OPERATORS = {
  MultiHeadAttention: { mask: 5, past: 6, causal: 'unidirectional' },
  Attention: { mask: 3, past: 4, causal: 'is_causal' },
} as const;

/** Attributes that tell how three axes of Attention are split. */
const HEADS = new Set(['q_num_heads', 'kv_num_heads']);

/** Operators whose cache can be outside. */
export function operatorOf(core: AttentionCore): (typeof OPERATORS)[keyof typeof OPERATORS] | undefined {
  return core.kind === 'MultiHeadAttention' || core.kind === 'Attention' ? OPERATORS[core.kind] : undefined;
}

/** Whether an operator takes the past itself. */
export function keepsCache(core: AttentionCore): boolean {
  const operator = operatorOf(core);
  return operator !== undefined && (core.node.input[operator.past] ?? '') !== '';
}

/** Whether an operator masks the future by the places of its queries. */
export function isCausal(core: AttentionCore): boolean {
  const operator = operatorOf(core);
  return operator !== undefined && intAttribute(core.node, operator.causal, 0) !== 0;
}

/** Why an operator's cache has to stay inside; undefined if it can be outside. */
export function cacheStaysInside(core: AttentionCore): string | undefined {
  const operator = operatorOf(core);
  if (operator === undefined) return `${label(core.node)} takes as many queries as new keys`;
  const { input, output } = core.node;
  const known = new Set<number>([0, 1, 2, operator.mask, operator.past, operator.past + 1]);
  const other = input.findIndex((name, i) => name !== '' && !known.has(i));
  if (other >= 0) return `${label(core.node)} has an input ${other} ("${input[other] ?? ''}")`;
  if (output.slice(3).some((name) => name !== '')) return `${label(core.node)} gives more than its result`;
  if (!core.fourAxes && (core.heads === undefined || core.kvHeads === undefined))
    return `${label(core.node)} does not say how many heads it has`;
  return undefined;
}

/**
 * Takes the cache out of an operator that {@link keepsCache} and of which {@link cacheStaysInside} says nothing.
 * @param embeds the tensor whose axis 1 is this call's sequence
 * @returns the nodes in place of the operator; what they need besides is left in `emit`
 */
export function cacheOutside(
  emit: Emitter,
  graph: GraphView,
  core: AttentionCore,
  embeds: string,
): NodeProto[] {
  const operator = operatorOf(core);
  if (operator === undefined) throw new RangeError(`${core.kind} keeps its cache`);
  const { node, heads = 0, kvHeads = 0 } = core;
  const [q = '', k = '', v = ''] = node.input;
  const [result = '', presentKey = '', presentValue = ''] = node.output;
  const fourAxes = (x: string, count: number): string =>
    core.fourAxes ? x : emit.transpose(emit.reshape(x, emit.ints(0, 0, count, -1)), 0, 2, 1, 3);
  const append = (past: string, x: string, present: string): NodeProto => {
    emit.concat([past, fourAxes(x, kvHeads)], 2);
    return named(emit, present);
  };
  const masked = isCausal(core)
    ? causalMask(emit, graph, core, node.input[operator.mask] ?? '', embeds)
    : (node.input[operator.mask] ?? '');
  // A present that nobody takes has no name.
  const keys = presentKey === '' ? emit.fresh('present_key') : presentKey;
  const values = presentValue === '' ? emit.fresh('present_value') : presentValue;
  const nodes = [
    append(node.input[operator.past] ?? '', k, keys),
    append(node.input[operator.past + 1] ?? '', v, values),
  ];
  const splits = core.kind === 'Attention' && !core.fourAxes;
  const input = [splits ? fourAxes(q, heads) : q, keys, values];
  if (masked !== '') {
    while (input.length < operator.mask) input.push('');
    input.push(masked);
  }
  const inner = splits ? emit.fresh('Attention') : result;
  nodes.push(
    create(NodeProtoSchema, {
      ...node,
      input,
      output: [inner],
      attribute: node.attribute.filter(
        ({ name }) => name !== operator.causal && !(splits && HEADS.has(name)),
      ),
    }),
  );
  if (splits) {
    emit.reshape(emit.transpose(inner, 0, 2, 1, 3), emit.ints(0, 0, -1));
    nodes.push(named(emit, result));
  }
  return nodes;
}

/** Takes the node that was made last out of the emitter and names its result. */
function named(emit: Emitter, output: string): NodeProto {
  const node = emit.nodes.pop();
  if (node === undefined) throw new RangeError('the emitter is empty');
  node.output = [output];
  return node;
}

/** What the operator's mask was, and what its causality adds: [1, 1, sequence, total] or as the mask. */
function causalMask(
  emit: Emitter,
  graph: GraphView,
  core: AttentionCore,
  mask: string,
  embeds: string,
): string {
  const past = emit.dim(core.pastKey, 2);
  const sequence = emit.dim(embeds, 1);
  const places = emit.unsqueeze(emit.op('Add', [emit.range(sequence), past]), 1);
  const keys = emit.unsqueeze(emit.range(emit.op('Add', [past, sequence])), 0);
  const seen = emit.unsqueeze(emit.op('LessOrEqual', [keys, places]), 0, 1);
  const isBool = mask === '' ? core.kind === 'Attention' : elementType(graph, mask) === DataType.BOOL;
  if (isBool) return mask === '' ? seen : emit.op('And', [mask, seen]);
  // Lost by every softmax, and added to another mask it does not overflow.
  const low = emit.float(core.elementType === DataType.FLOAT16 ? -3e4 : -1e30);
  const bias = emit.op('Where', [seen, emit.float(0), low]);
  const typed = core.elementType === DataType.FLOAT ? bias : emit.cast(bias, core.elementType);
  return mask === '' ? typed : emit.op('Add', [mask, typed]);
}
