// Rotation outside the attention operator.
//
// GroupQueryAttention with do_rotary = 1 rotates by contiguous positions only: at prefill it silently ignores its
// position_ids input. After the cut positions have gaps, so q and k are rotated by RotaryEmbedding, which does take
// position_ids, and the operator no longer rotates.
import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema, type NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { DataType, intAttribute, label, MICROSOFT, type Emitter, type GraphView } from '../onnx/index.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import { headCounts, splitPacked } from '../decoder/attention/heads.js';

/** Input positions of GroupQueryAttention. */
const GQA = {
  query: 0,
  key: 1,
  value: 2,
  seqlens: 5,
  total: 6,
  cos: 7,
  sin: 8,
  positions: 9,
  bias: 10,
  sink: 11,
} as const;

/**
 * Rotates q or k as the operator would: [batch, sequence, heads · head size].
 * @param positions int64 [batch, sequence]
 */
export function rotate(
  emit: Emitter,
  graph: GraphView,
  core: AttentionCore,
  x: string,
  positions: string,
  heads: number,
): string {
  const [cos = '', sin = ''] = [core.node.input[GQA.cos], core.node.input[GQA.sin]];
  const width = Number(graph.initializers.get(cos)?.dims[1] ?? 0n) * 2;
  if (width < 0 || !Number.isSafeInteger(width)) {
    throw new FastvError('unsupported-decoder', `the rotary cache "${cos}" has an impossible shape`, {
      where: label(core.node),
    });
  }
  const partial = width > 0 && core.headSize !== undefined && width !== core.headSize;
  return emit.op('RotaryEmbedding', [x, positions, cos, sin], {
    domain: MICROSOFT,
    attributes: {
      interleaved: BigInt(intAttribute(core.node, 'rotary_interleaved', 0)),
      num_heads: BigInt(heads),
      rotary_embedding_dim: BigInt(partial ? width : 0),
    },
  });
}

/**
 * The positions by which GroupQueryAttention rotates this call's tokens: int64 [batch, sequence]. At the first call
 * they count from 0, later from the row's valid length, whatever position_ids say.
 */
export function inOpPositions(emit: Emitter, node: NodeProto, embeds: string): string {
  const sequence = emit.dim(embeds, 1);
  const total = emit.cast(emit.reshape(node.input[GQA.total] ?? '', emit.ints(1)), DataType.INT64);
  const valid = emit.cast(emit.reshape(node.input[GQA.seqlens] ?? '', emit.ints(-1, 1)), DataType.INT64);
  const past = emit.op('Sub', [emit.op('Add', [valid, emit.int(1)]), sequence]);
  const first = emit.op('Equal', [total, sequence]);
  return emit.op('Add', [emit.op('Where', [first, emit.int(0), past]), emit.range(sequence)]);
}

/** A GroupQueryAttention that computes the same at any positions: rotation is moved out of it. */
export function rotateOutside(
  emit: Emitter,
  graph: GraphView,
  core: AttentionCore,
  node: NodeProto,
  positions: string,
): NodeProto {
  const { heads, kvHeads } = headCounts(core);
  const packed = (node.input[GQA.key] ?? '') === '';
  const [q, k, v] = packed
    ? splitPacked(emit, node.input[GQA.query] ?? '', core)
    : [node.input[GQA.query] ?? '', node.input[GQA.key] ?? '', node.input[GQA.value] ?? ''];
  const input = [...node.input];
  input[GQA.query] = rotate(emit, graph, core, q, positions, heads);
  input[GQA.key] = rotate(emit, graph, core, k, positions, kvHeads);
  input[GQA.value] = v;
  for (const unused of [GQA.cos, GQA.sin, GQA.positions]) if (unused < input.length) input[unused] = '';
  while (input.at(-1) === '') input.pop();
  return create(NodeProtoSchema, {
    ...node,
    input,
    attribute: node.attribute.filter(({ name }) => name !== 'do_rotary' && name !== 'rotary_interleaved'),
  });
}
