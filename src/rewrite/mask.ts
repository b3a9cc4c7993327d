// Masking mode: the tokens that dropping mode would drop stay in the sequence, but no layer from K on attends to them.
// It saves nothing; it is there to prove that dropping computes the same thing.
//
// Later calls must not attend to lost tokens either, and the contract has no input that would tell them. The cache
// does: a lost token's key is stored as zeros in layers from K on, which no real key is.
//
// Limits: a local window counts every token here, only the kept ones in dropping mode; MultiHeadAttention with a bias
// on its keys is refused.
import type { NodeProto } from 'onnx-buf';
import { DataType, type Emitter } from '../onnx/index.js';
import type { Hidden } from '../decoder/attention/core.js';
import { IMAGE_TOKEN_MASK, IMAGE_TOKEN_SCORES } from '../decoder/contract.js';
import { ATTENTION_MASK, EMBEDS } from '../decoder/contract.js';
import { type Decoder } from '../decoder/decoder.js';
import type { Rewritten } from './drop.js';
import { Regions } from './regions.js';
import type { QuotaArithmetic } from './quota.js';
import { select } from './select.js';
import { ratioOf, stageContext } from './stage-context.js';
import type { GraphStrategy } from '../strategies/index.js';

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
      positions: (core) => regions.inOpPositions(core, 0),
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
      const core = layer.attention;
      for (const [node, hiding] of core.kind.hide({ emit, graph: decoder.graph, core, hidden })) {
        changed.set(node, hiding);
      }
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
