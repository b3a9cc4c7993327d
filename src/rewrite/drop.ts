// Dropping mode: after each stage only the kept tokens go on.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import type { Emitter } from '../onnx/index.js';
import { EMBEDS } from '../decoder/contract.js';
import { attentionOf, type Decoder } from '../decoder/decoder.js';
import { emitQueries, querySide, type QuerySide } from './queries.js';
import { Regions, type Kept } from './regions.js';
import type { QuotaArithmetic } from './quota.js';
import { select } from './select.js';
import { IMAGE_TOKEN_MASK, IMAGE_TOKEN_SCORES } from '../decoder/contract.js';
import { ratioOf, stageContext } from './stage-context.js';
import type { GraphStrategy } from '../strategies/index.js';

/** What a mode makes of a graph. */
export interface Rewritten {
  /** The graph's own nodes, those after a cut with their new inputs. */
  readonly nodes: readonly NodeProto[];
  /** Kept places in this call's sequence after the last stage: int64 [batch, kept]. */
  readonly keptIndices: string;
  /** How the names of symbolic axes change for the cache of a layer: a suffix, or ''. */
  readonly axisSuffix: (layer: number) => string;
  /** What became of the queries at layer K−1, stage by stage. */
  readonly queries: readonly StageQueries[];
}

/** The queries at layer K−1: of the kept tokens only, or of all tokens for a reason. */
export type StageQueries =
  | {
      readonly of: 'kept';
      /** The nodes that computed those of all tokens, and should be needed no more. */
      readonly replaced: readonly NodeProto[];
      /** What took the place of their tensors. */
      readonly copies: ReadonlyMap<string, string>;
    }
  | { readonly of: 'all'; readonly reason: string };

/**
 * Cuts the graph at each stage.
 * @param keepQueries why a stage's layer K−1 shall compute the queries of all tokens; undefined where it need not
 */
export function drop(
  decoder: Decoder,
  emit: Emitter,
  stages: readonly number[],
  strategy: GraphStrategy,
  arithmetic: QuotaArithmetic,
  keepQueries: (stage: number) => string | undefined,
): Rewritten {
  const queries: StageQueries[] = [];
  const regions = new Regions(decoder, emit, stages);
  let imageTokenMask = IMAGE_TOKEN_MASK;
  let scores = IMAGE_TOKEN_SCORES;
  let keptIndices = '';
  for (const [stage, k] of stages.entries()) {
    const early = earlyQueries(decoder, emit, k, regions, keepQueries(stage));
    const context = stageContext(decoder, emit, k, {
      imageTokenMask,
      scores,
      sequenceLength: () => emit.reshape(regions.sequenceLength(stage), emit.ints(1)),
      mask: () => regions.mask(stage),
      inPlace: (node) => regions.inRegion(node),
      positions: (core) => regions.inOpPositions(core, stage),
      rowSource: early.of === 'kept' ? () => early.lastRow : undefined,
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
    if (early.of === 'kept') {
      const copies = emitQueries(early.side, emit, regions);
      regions.replace(region, copies);
      queries.push({ of: 'kept', replaced: early.side.nodes, copies });
    } else queries.push(early);
    imageTokenMask = regions.gather(imageTokenMask, region);
    if (strategy.needsScores === true) scores = regions.gather(scores, region);
    keptIndices = stage === 0 ? indices : regions.gather(keptIndices, region);
  }
  const nodes = decoder.graph.nodes.map((node) => regions.inRegion(node));
  return {
    nodes,
    keptIndices,
    queries,
    axisSuffix: (layer) => {
      const region = regions.regionOfLayer(layer);
      return region === 0 ? '' : `_kept${region > 1 ? `_${region}` : ''}`;
    },
  };
}

/** The query side of layer K−1 with what its last token's attention is made of, or why all tokens' queries are needed. */
type Early =
  | { readonly of: 'kept'; readonly side: QuerySide; readonly lastRow: string }
  | { readonly of: 'all'; readonly reason: string };

function earlyQueries(
  decoder: Decoder,
  emit: Emitter,
  k: number,
  regions: Regions,
  refused: string | undefined,
): Early {
  if (refused !== undefined) return { of: 'all', reason: refused };
  if (k === 0) return { of: 'all', reason: 'K = 0 cuts before the first layer' };
  try {
    const core = attentionOf(decoder, k - 1);
    const side = querySide(decoder, core, regions);
    const last = regions.fork(lastToken(emit, regions.sequenceLength(side.region)));
    const lastRow = emitQueries(side, emit, last).get(core.rowSource) ?? '';
    return { of: 'kept', side, lastRow };
  } catch (error) {
    if (!(error instanceof FastvError)) throw error;
    return { of: 'all', reason: error.message };
  }
}

/** The last token of each row. */
function lastToken(emit: Emitter, sequenceLength: string): Kept {
  const place = emit.reshape(emit.op('Sub', [sequenceLength, emit.int(1)]), emit.ints(1, 1));
  const shape = emit.concat([emit.dim1(EMBEDS, 0), emit.ints(1)], 0);
  const indices = emit.op('Expand', [place, shape]);
  return { indices, rows: flatRows(emit, indices, sequenceLength) };
}

/** Places in the flattened [batch · sequence] rows: int64 [batch, kept]. */
function flatRows(emit: Emitter, indices: string, sequenceLength: string): string {
  const batch = emit.range(emit.dim(indices, 0));
  return emit.op('Add', [indices, emit.unsqueeze(emit.op('Mul', [batch, sequenceLength]), 1)]);
}
