// What is decided before anything is made: where the cuts fall, and for which tokens layer K−1 computes its queries.
import type { AttentionCore } from '../decoder/attention/core.js';
import { attentionOf, recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { FastvError } from '../errors.js';
import { cachesOutside } from './caches-outside.js';
import { Partition } from './partition.js';
import { QuerySide } from './queries.js';
import type { GraphStrategy } from '../strategies/unlisted.js';

/** One cut. */
export interface PlannedStage {
  /** K: the cut falls after the attention of layer K−1; at 0 before the first layer. */
  readonly k: number;
  /** The attention of layer K−1; undefined at K = 0. */
  readonly core: AttentionCore | undefined;
  /** The part of layer K−1 that is computed for the kept tokens only, or why it is computed for all. */
  readonly queries: QuerySide | string;
}

export interface Plan {
  /** The decoder as it is cut: the given one, but for caches that are taken out of their operators. */
  readonly decoder: Decoder;
  readonly stages: readonly PlannedStage[];
  readonly partition: Partition;
}

/**
 * Plans the cuts.
 * @param cuts K of each
 * @param allQueries why layer K−1 computes the queries of all tokens; undefined where they may be fewer
 * @throws {FastvError} `unsupported-decoder` for a K with no attention to cut after
 */
export function planCuts(
  decoder: Decoder,
  cuts: readonly number[],
  allQueries?: string | ((k: number) => string | undefined),
): Plan {
  const wanted = typeof allQueries === 'function' ? allQueries : () => allQueries;
  const layers = cuts.filter((k) => k > 0 && wanted(k) === undefined).map((k) => k - 1);
  const outside = cachesOutside(decoder, layers);
  const plan = look(decoder, outside.model, cuts, wanted);
  // An operator whose cache would be taken out for nothing keeps it.
  const reasons = new Map(
    plan.stages.flatMap(({ k, queries }) =>
      typeof queries === 'string' && outside.report.layers.includes(k - 1) ? [[k, queries]] : [],
    ),
  );
  if (reasons.size === 0) return plan;
  const fewer = cachesOutside(
    decoder,
    layers.filter((layer) => !reasons.has(layer + 1)),
  );
  return look(decoder, fewer.model, cuts, (k) => reasons.get(k) ?? wanted(k));
}

function look(
  original: Decoder,
  model: Decoder['model'],
  cuts: readonly number[],
  reason: (k: number) => string | undefined,
): Plan {
  const decoder = model === original.model ? original : recogniseDecoder(model);
  const partition = Partition.at(decoder, cuts);
  const stages = cuts.map((k): PlannedStage => {
    const core = k === 0 ? undefined : attentionOf(decoder, k - 1);
    return { k, core, queries: reason(k) ?? queriesOf(partition, core) };
  });
  const behind = stages.flatMap(({ queries }) => (typeof queries === 'string' ? [] : queries.nodes));
  return { decoder, stages, partition: partition.withBehind(behind) };
}

function queriesOf(partition: Partition, core: AttentionCore | undefined): QuerySide | string {
  if (core === undefined) return 'K = 0 cuts before the first layer';
  try {
    return new QuerySide(partition, core);
  } catch (error) {
    if (!(error instanceof FastvError)) throw error;
    return error.message;
  }
}

/** Checks K of every stage. @throws {FastvError} `invalid-option`, or `unsupported-decoder` for a layer without attention */
export function checkCuts(
  decoder: Decoder,
  cuts: readonly number[],
  strategy: GraphStrategy,
  byMass = false,
): void {
  const layers = decoder.layers.length;
  const refuse = (message: string, hint: string): FastvError =>
    new FastvError('invalid-option', message, { where: '--layer', hint });
  if (cuts.length === 0) throw refuse('no pruning stage is given', 'Give one, for example K = 2.');
  for (const [i, k] of cuts.entries()) {
    if (!Number.isInteger(k) || k < 0 || k >= layers) {
      throw refuse(
        `K = ${k} is out of range: the decoder has ${layers} layers`,
        `Choose K from 0 to ${layers - 1}.`,
      );
    }
    if (k <= (cuts[i - 1] ?? -1))
      throw refuse('the stages are not in ascending order', 'Give each K once, lowest first.');
    if (k === 0 && strategy.needsLayer) {
      throw refuse(
        `K = 0 leaves the strategy "${strategy.name}" no layer to look at`,
        'Use "external", or K ≥ 1.',
      );
    }
    if (k === 0 && byMass) {
      throw refuse(
        'K = 0 leaves no layer whose attention has a mass',
        'Give a share or a number of tokens, or K ≥ 1.',
      );
    }
    if (k > 0) attentionOf(decoder, k - 1);
  }
}
