// Dropping mode: after each stage only the kept tokens go on.
import type { NodeProto } from 'onnx-buf';
import type { Emitter } from '../onnx/index.js';
import type { Decoder } from './decoder.js';
import { Regions } from './regions.js';
import type { QuotaArithmetic } from './quota.js';
import { select } from './select.js';
import { IMAGE_TOKEN_MASK, IMAGE_TOKEN_SCORES } from './contract.js';
import { ratioOf, stageContext } from './stage-context.js';
import type { Strategy } from './strategies/strategy.js';

/** What a mode makes of a graph. */
export interface Rewritten {
  /** The graph's own nodes, those after a cut with their new inputs. */
  readonly nodes: readonly NodeProto[];
  /** Kept places in this call's sequence after the last stage: int64 [batch, kept]. */
  readonly keptIndices: string;
  /** How the names of symbolic axes change for the cache of a layer: a suffix, or ''. */
  readonly axisSuffix: (layer: number) => string;
}

/** Cuts the graph at each stage. */
export function drop(
  decoder: Decoder,
  emit: Emitter,
  stages: readonly number[],
  strategy: Strategy,
  arithmetic: QuotaArithmetic,
): Rewritten {
  const regions = new Regions(decoder, emit, stages);
  let imageTokenMask = IMAGE_TOKEN_MASK;
  let scores = IMAGE_TOKEN_SCORES;
  let keptIndices = '';
  for (const [stage, k] of stages.entries()) {
    const context = stageContext(decoder, emit, k, {
      imageTokenMask,
      scores,
      sequenceLength: () => emit.reshape(regions.sequenceLength(stage), emit.ints(1)),
      mask: () => regions.mask(stage),
      inPlace: (node) => regions.inRegion(node),
      positions: (node) => regions.inOpPositions(node, stage),
    });
    const { indices } = select(
      emit,
      strategy.score(context),
      imageTokenMask,
      ratioOf(emit, stage),
      arithmetic,
    );
    const region = stage + 1;
    regions.enter({ indices, rows: flatRows(emit, indices, regions.sequenceLength(stage)) });
    imageTokenMask = regions.gather(imageTokenMask, region);
    if (strategy.needsScores) scores = regions.gather(scores, region);
    keptIndices = stage === 0 ? indices : regions.gather(keptIndices, region);
  }
  const nodes = decoder.graph.nodes.map((node) => regions.inRegion(node));
  return {
    nodes,
    keptIndices,
    axisSuffix: (layer) => {
      const region = regions.regionOfLayer(layer);
      return region === 0 ? '' : `_kept${region > 1 ? `_${region}` : ''}`;
    },
  };
}

/** Places in the flattened [batch · sequence] rows: int64 [batch, kept]. */
function flatRows(emit: Emitter, indices: string, sequenceLength: string): string {
  const batch = emit.range(emit.dim(indices, 0));
  return emit.op('Add', [indices, emit.unsqueeze(emit.op('Mul', [batch, sequenceLength]), 1)]);
}
