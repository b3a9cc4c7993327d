// What a prefill did: from the tokens that it kept and the lengths of the caches that it gave, not from what was asked.
import { paperLayerCost, paperMeanCostOfLayers, type PaperShape } from '../cost/index.js';
import { checkStanding, type ImageTokens } from '../strategies/unlisted.js';
import type { Call } from './call.js';
import type { PrefillReport, RowReport, Settings } from './options.js';
import { imageTokensOf } from './pruning-inputs.js';
import type { PruningOutputs } from './pruned-session.js';
import type { Tensors } from './session.js';
import { isRecord } from './transformers.js';

type Config = Readonly<Record<string, unknown>>;

/** A prefill that has ended. */
export interface Prefill {
  readonly config: Config;
  readonly settings: Settings;
  readonly call: Call;
  /** R of each stage, as the graph was given it. */
  readonly ratios: Float32Array;
  /** The images of each row. */
  readonly spans: readonly (readonly ImageTokens[])[];
  /** Tokens of this call's sequence, and of everything so far. */
  readonly sequence: number;
  readonly total: number;
  readonly feeds: Tensors;
  readonly outputs: PruningOutputs;
}

/** The report of a prefill; its times and steps go on with the call. */
export function prefillReport(prefill: Prefill): PrefillReport {
  const { config, settings, call, ratios, spans, sequence, total, outputs } = prefill;
  const rows = spans.map((images, row) => rowReport(images, sequence, outputs.keptIndices[row]));
  const layerTokens = tokensOfLayers(prefill);
  const shape = paperShape(config);
  return {
    layer: settings.layers,
    ratio: Array.from(ratios, (r) => Number(r.toPrecision(7))),
    strategy: settings.strategy.name,
    ...checkStanding(settings),
    ...(settings.perImage && { perImage: settings.perImage }),
    rows,
    layerTokens,
    flopsRatio:
      shape === undefined || sequence === 0 || layerTokens.length === 0
        ? undefined
        : paperMeanCostOfLayers(shape, layerTokens) / paperLayerCost(sequence, shape),
    kvBytes: kvBytes(outputs.outputs, total),
    ms: call.ms,
    get decodeSteps() {
      return call.decodeSteps;
    },
  };
}

function rowReport(
  spans: readonly ImageTokens[],
  sequence: number,
  kept: readonly number[] = Array.from({ length: sequence }, (_, i) => i),
): RowReport {
  const set = new Set(kept);
  const images = spans.map(({ positions, rows, columns }) => ({
    start: positions[0] ?? 0,
    tokens: positions.length,
    rows,
    columns,
    kept: positions.flatMap((position, index) =>
      set.has(position) ? [{ index, row: Math.floor(index / columns), column: index % columns }] : [],
    ),
  }));
  return {
    sequence,
    imageTokens: imageTokensOf(spans),
    keptImageTokens: images.reduce((n, image) => n + image.kept.length, 0),
    keptIndices: kept,
    images,
  };
}

const PRESENT = /^present\.(\d+)\.key$/u;

/**
 * The tokens of this call that each layer saw. Before the first stage these are all, after the last one the kept ones;
 * in between the caches tell it: what they have grown by. (A sliding window may cut a cache short, and a layer may have
 * none, so a stage's tokens are those of the layer whose cache grew most.)
 */
function tokensOfLayers({ settings, sequence, feeds, outputs }: Prefill): number[] {
  const { layers } = settings;
  const grown = new Map<number, number>();
  let depth = 0;
  const stageOf = (layer: number): number => layers.filter((k) => k <= layer).length;
  for (const [name, { dims }] of Object.entries(outputs.outputs)) {
    const layer = Number(PRESENT.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(layer)) continue;
    depth = Math.max(depth, layer + 1);
    const past = feeds[`past_key_values.${layer}.key`]?.dims.at(-2) ?? 0;
    const stage = stageOf(layer);
    grown.set(stage, Math.max(grown.get(stage) ?? 0, (dims.at(-2) ?? 0) - past));
  }
  grown.set(0, sequence);
  const [kept] = outputs.keptIndices;
  if (kept !== undefined) grown.set(layers.length, kept.length);
  let last = sequence;
  return Array.from({ length: depth }, (_, layer) => (last = grown.get(stageOf(layer)) ?? last));
}

/** The decoder's shape from a configuration, where it says it. */
export function paperShape(config: Config): PaperShape | undefined {
  const candidates = [config['text_config'], config['llm_config'], config['language_config'], config];
  for (const text of candidates) {
    if (!isRecord(text)) continue;
    const { hidden_size: hidden, intermediate_size: mlp, num_hidden_layers: layers } = text;
    if (typeof hidden === 'number' && typeof mlp === 'number' && typeof layers === 'number') {
      return { hidden, mlp, layers };
    }
  }
  return undefined;
}

const BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, bfloat16: 2, int8: 1, uint8: 1 };

/** Bytes of the key/value outputs, and what they would be with every layer `total` long. */
function kvBytes(outputs: Tensors, total: number): { pruned: number; full: number } {
  let pruned = 0;
  let full = 0;
  for (const [name, { dims, type }] of Object.entries(outputs)) {
    const length = dims.at(-2);
    if (!/^present\.\d+\.(key|value)$/u.test(name) || length === undefined || length === 0) continue;
    const size = dims.reduce((a, b) => a * b, BYTES[type] ?? 4);
    pruned += size;
    full += (size / length) * total;
  }
  return { pruned, full };
}
