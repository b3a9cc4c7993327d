// Masking mode: the tokens that dropping mode would drop stay in the sequence, but no layer from K on attends to them.
// It saves nothing; it is there to prove that dropping computes the same thing.
//
// Later calls must not attend to lost tokens either, and the contract has no input that would tell them. The cache
// does: a lost token's key is stored as zeros in layers from K on, which no real key is.
//
// Limits: a local window counts every token here, only the kept ones in dropping mode; MultiHeadAttention with a bias
// on its keys is refused.
import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema, type NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { DataType, elementType, int64Tensor, label, type Emitter } from '../onnx/index.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import { splitPacked } from '../decoder/attention/heads.js';
import { IMAGE_TOKEN_MASK, IMAGE_TOKEN_SCORES } from '../decoder/contract.js';
import { ATTENTION_MASK, EMBEDS, type Decoder } from '../decoder/decoder.js';
import type { Rewritten } from './drop.js';
import { Regions } from './regions.js';
import { inOpPositions } from './rotation.js';
import type { QuotaArithmetic } from './quota.js';
import { select } from './select.js';
import { ratioOf, stageContext } from './stage-context.js';
import type { GraphStrategy } from '../strategies/index.js';

/** What a stage hid. */
interface Hidden {
  /** Tokens of this call that are lost: bool [batch, sequence]. */
  readonly lost: string;
  /** The same for past and this call: bool [batch, total]. */
  readonly lostTotal: string;
}

/** Hides the tokens that each stage loses from the layers after it. */
export function mask(
  decoder: Decoder,
  emit: Emitter,
  stages: readonly number[],
  strategy: GraphStrategy,
  arithmetic: QuotaArithmetic,
): Rewritten {
  const regions = new Regions(decoder, emit, stages);
  const changed = new Map<NodeProto, NodeProto>();
  let hidden: Hidden | undefined;
  let keptIndices = '';
  for (const [stage, k] of stages.entries()) {
    const images =
      hidden === undefined
        ? IMAGE_TOKEN_MASK
        : emit.op('And', [IMAGE_TOKEN_MASK, emit.op('Not', [hidden.lost])]);
    const lostTotal = hidden?.lostTotal;
    const context = stageContext(decoder, emit, k, {
      imageTokenMask: images,
      scores: IMAGE_TOKEN_SCORES,
      sequenceLength: () => emit.dim1(EMBEDS, 1),
      mask: () => (lostTotal === undefined ? ATTENTION_MASK : visibleMask(emit, lostTotal)),
      inPlace: (node) => changed.get(node) ?? node,
      positions: (node) => inOpPositions(emit, node, EMBEDS),
    });
    const { indices } = select(
      emit,
      strategy.score(context),
      images,
      ratioOf(emit, stage),
      arithmetic,
      hidden?.lost,
    );
    keptIndices = indices;
    hidden = hide(emit, indices, regions.pastKey(stage + 1));
    for (const layer of decoder.layers) {
      if (layer.attention === undefined || regions.regionOfLayer(layer.index) !== stage + 1) continue;
      hideFrom(decoder, emit, layer.attention, hidden, changed);
    }
  }
  return {
    nodes: decoder.graph.nodes.map((node) => changed.get(node) ?? node),
    keptIndices,
    queries: stages.map(() => ({ of: 'all', reason: 'masking keeps every token' })),
    axisSuffix: () => '',
  };
}

function hide(emit: Emitter, kept: string, pastKey: string): Hidden {
  const shape = emit.op('Shape', [IMAGE_TOKEN_MASK]);
  const none = emit.op('Expand', [emit.float(0), shape]);
  const ones = emit.op('Expand', [emit.float(1), emit.op('Shape', [kept])]);
  const keep = emit.op('ScatterElements', [none, kept, ones], { attributes: { axis: 1n } });
  const lost = emit.op('Equal', [keep, emit.float(0)]);
  const sizes = emit.op('Abs', [emit.cast(pastKey, DataType.FLOAT)]);
  const largest = emit.reduce('ReduceSum', sizes, [1, 3], false); // [batch, past]
  return { lost, lostTotal: emit.concat([emit.op('Equal', [largest, emit.float(0)]), lost], 1) };
}

function visibleMask(emit: Emitter, lostTotal: string): string {
  const attended = emit.cast(ATTENTION_MASK, DataType.BOOL);
  return emit.cast(emit.op('And', [attended, emit.op('Not', [lostTotal])]), DataType.INT64);
}

/** Makes one layer blind to the lost tokens, and marks them in its cache. */
function hideFrom(
  decoder: Decoder,
  emit: Emitter,
  core: AttentionCore,
  hidden: Hidden,
  changed: Map<NodeProto, NodeProto>,
): void {
  const type = core.elementType;
  const keep = emit.cast(emit.op('Not', [hidden.lost]), type); // [batch, sequence]
  const zeroLost = (keys: string, fourAxes: boolean): string =>
    emit.op('Mul', [keys, fourAxes ? emit.unsqueeze(keep, 1, 3) : emit.unsqueeze(keep, 2)]);
  const bias = (rank4: boolean): string => {
    // Large enough to lose every softmax, small enough that adding it to another mask does not overflow.
    const low = emit.float(type === DataType.FLOAT16 ? -3e4 : -1e30);
    const row = emit.cast(emit.op('Where', [hidden.lostTotal, low, emit.float(0)]), type);
    return rank4 ? emit.unsqueeze(row, 1, 2) : row;
  };
  const { node } = core;
  const input = [...node.input];
  const set = (index: number, value: string): void => {
    while (input.length <= index) input.push('');
    input[index] = value;
  };
  const given = (index: number): string => input[index] ?? '';
  // [batch, 1, sequence, total], as the operators want it.
  const full = (row: string): string => {
    const one = emit.ints(1);
    const axes = [emit.dim1(EMBEDS, 0), one, emit.dim1(EMBEDS, 1), emit.dim1(hidden.lostTotal, 1)];
    return emit.op('Expand', [row, emit.concat(axes, 0)]);
  };
  const addBias = (index: number): void => {
    set(index, given(index) === '' ? full(bias(true)) : emit.op('Add', [given(index), bias(true)]));
  };
  const concat = decoder.graph.producer(core.keys);
  const cacheOutside = concat !== undefined && concat !== node;
  if (cacheOutside) {
    const last = concat.input.length - 1;
    const keys = concat.input[last] ?? '';
    changed.set(concat, withInput(concat, concat.input.with(last, zeroLost(keys, true))));
  }
  switch (core.kind) {
    case 'GroupQueryAttention': {
      if (given(1) === '') {
        const [q, k, v] = splitPacked(emit, given(0), core);
        set(0, q);
        set(1, k);
        set(2, v);
      }
      set(1, zeroLost(given(1), false));
      addBias(10);
      break;
    }
    case 'MultiHeadAttention':
      if (given(3) !== '') {
        throw new FastvError(
          'unsupported-decoder',
          `${label(node)} adds a bias to its keys, which masking mode cannot mark`,
          {
            where: `layer ${core.layer}`,
            hint: 'Use dropping mode.',
          },
        );
      }
      if (!cacheOutside) set(1, zeroLost(given(1), false));
      addBias(5);
      break;
    case 'Attention': {
      if (!cacheOutside) set(1, zeroLost(given(1), core.fourAxes));
      const masked = given(3);
      if (masked !== '' && elementType(decoder.graph, masked) === DataType.BOOL) {
        set(3, full(emit.op('And', [masked, emit.unsqueeze(emit.op('Not', [hidden.lostTotal]), 1, 2)])));
      } else {
        addBias(3);
      }
      break;
    }
    case 'decomposed': {
      const user = core.decomposed?.scoresUser;
      if (user === undefined) return;
      const [scores = '', ...rest] = user.input;
      const hiding = emit.op('Add', [scores, likeScores(emit, bias(false), scores)]);
      changed.set(user, withInput(user, [hiding, ...rest]));
      return;
    }
  }
  changed.set(node, withInput(node, input));
}

/** [batch, total] with as many axes as the scores have: [batch, 1, …, total]. */
function likeScores(emit: Emitter, row: string, scores: string): string {
  const axes = emit.op('Shape', [emit.op('Shape', [scores])]);
  const between = emit.op('ConstantOfShape', [emit.op('Sub', [axes, emit.ints(2)])], {
    attributes: { value: int64Tensor([1]) },
  });
  return emit.reshape(row, emit.concat([emit.dim1(row, 0), between, emit.dim1(row, 1)], 0));
}

function withInput(node: NodeProto, input: readonly string[]): NodeProto {
  return create(NodeProtoSchema, { ...node, input: [...input] });
}
