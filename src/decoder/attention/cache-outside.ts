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
import {
  DataType,
  elementType,
  inputs,
  label,
  NodeProtoSchema,
  withFields,
  type Emitter,
  type GraphView,
  type NodeProto,
} from '../../onnx/index.js';
import { EMBEDS } from '../contract.js';
import type { AttentionCore } from './core.js';
import { low } from './hide.js';

/** The operator as its kind reads it, and how it is written with its cache outside. */
export interface Inside {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly mask: string;
  /** Whether a mask that is made where there was none is of bool. */
  readonly boolMask: boolean;
  /** Whether queries and result with three axes must get four. */
  readonly needsHeads: boolean;
  /** The operator with present keys and values, and neither a past nor causality of its own. */
  readonly outside: (taken: Taken) => NodeProto;
}

export interface Taken {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly mask: string;
}

/** Why an operator's cache has to stay inside, given the inputs that it may have; undefined if it can be outside. */
export function staysInside(core: AttentionCore, known: ReadonlySet<string>): string | undefined {
  const other = inputs(core.node).find(({ name }) => !known.has(name));
  if (other !== undefined) return `${label(core.node)} has an input ${other.name} ("${other.tensor}")`;
  if (core.node.output.slice(3).some((name) => name !== ''))
    return `${label(core.node)} gives more than its result`;
  if (core.layout === 'BSH' && (core.heads === undefined || core.kvHeads === undefined))
    return `${label(core.node)} does not say how many heads it has`;
  return undefined;
}

/**
 * Takes the cache out of an operator of which {@link staysInside} says nothing.
 * @returns the operator in its place; what it needs besides is left in `emit`
 */
export function cacheOutside(
  emit: Emitter,
  graph: GraphView,
  core: AttentionCore,
  { query, key, value, mask, boolMask, needsHeads, outside }: Inside,
): NodeProto {
  const { node, heads = 0, kvHeads = 0 } = core;
  const [result = '', presentKey = '', presentValue = ''] = node.output;
  const withHeads = (x: string, count: number): string =>
    core.layout === 'BNSH' ? x : emit.transpose(emit.reshape(x, emit.ints(0, 0, count, -1)), 0, 2, 1, 3);
  // A present that nobody takes has no name.
  const append = (past: string, x: string, present: string): string =>
    emit.op('Concat', [past, withHeads(x, kvHeads)], {
      attributes: { axis: 2n },
      ...(present === '' ? {} : { output: present }),
    });
  const inner = needsHeads ? emit.fresh(node.opType) : result;
  const taken = {
    query: needsHeads ? withHeads(query, heads) : query,
    key: append(core.pastKey, key, presentKey),
    value: append(core.pastValue, value, presentValue),
    mask: core.causal ? causalMask(emit, graph, core, mask, boolMask) : mask,
  };
  if (needsHeads) {
    emit.op('Reshape', [emit.transpose(inner, 0, 2, 1, 3), emit.ints(0, 0, -1)], { output: result });
  }
  return withFields(NodeProtoSchema, outside(taken), { output: [inner] });
}

/** What the operator's mask was, and what its causality adds: [1, 1, sequence, total] or as the mask. */
function causalMask(
  emit: Emitter,
  graph: GraphView,
  core: AttentionCore,
  mask: string,
  boolMask: boolean,
): string {
  const past = emit.dim(core.pastKey, 2);
  const sequence = emit.dim(EMBEDS, 1);
  const places = emit.unsqueeze(emit.op('Add', [emit.range(sequence), past]), 1);
  const keys = emit.unsqueeze(emit.range(emit.op('Add', [past, sequence])), 0);
  const seen = emit.unsqueeze(emit.op('LessOrEqual', [keys, places]), 0, 1);
  const isBool = mask === '' ? boolMask : elementType(graph, mask) === DataType.BOOL;
  if (isBool) return mask === '' ? seen : emit.op('And', [mask, seen]);
  const bias = emit.op('Where', [seen, emit.float(0), emit.float(low(core))]);
  const typed = core.elementType === DataType.FLOAT ? bias : emit.cast(bias, core.elementType);
  return mask === '' ? typed : emit.op('Add', [mask, typed]);
}
