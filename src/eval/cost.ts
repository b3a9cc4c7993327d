/** What results cost together: the one place where costs are averaged and set against the unpruned model's. */
import { mean, median } from '../statistics.js';
import type { Result } from './result.js';

/** Means over samples, medians of times. */
export interface CellCost {
  readonly tokens: number;
  readonly imageTokens: number;
  readonly keptImageTokens: number;
  readonly visionMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** Of an answer's second and later tokens. */
  readonly decodeMsPerToken: number;
  readonly flops: number | null;
  /** Over those of the unpruned model at full resolution, where that has run; else over the same prompt's, unpruned. */
  readonly flopsRatio: number | null;
  readonly kvBytes: number | null;
  readonly kvRatio: number | null;
}

/**
 * The cost of results.
 * @param base the unpruned model's on the same questions, at full resolution; empty where it has not run
 */
export function costOf(results: readonly Result[], base: readonly Result[]): CellCost {
  const flops = meanOf(results, ({ cost }) => cost.flops);
  const kvBytes = meanOf(results, ({ cost }) => cost.kvBytes);
  const flopsUnpruned =
    meanOf(base, ({ cost }) => cost.flops) ?? meanOf(results, ({ cost }) => cost.flopsUnpruned);
  const kvUnpruned =
    meanOf(base, ({ cost }) => cost.kvBytes) ?? meanOf(results, ({ cost }) => cost.kvBytesUnpruned);
  const time = (of: (result: Result) => number): number =>
    results.length === 0 ? 0 : median(results.map(of));
  return {
    tokens: meanOf(results, ({ cost }) => cost.tokens) ?? 0,
    imageTokens: meanOf(results, ({ cost }) => cost.imageTokens) ?? 0,
    keptImageTokens: meanOf(results, ({ cost }) => cost.keptImageTokens) ?? 0,
    visionMs: time(({ cost }) => cost.visionMs),
    prefillMs: time(({ cost }) => cost.prefillMs),
    decodeMs: time(({ cost }) => cost.decodeMs),
    decodeMsPerToken: time(({ cost }) => cost.decodeMs / Math.max(1, cost.generatedTokens - 1)),
    flops,
    flopsRatio: ratio(flops, flopsUnpruned),
    kvBytes,
    kvRatio: ratio(kvBytes, kvUnpruned),
  };
}

function ratio(own: number | null, whole: number | null): number | null {
  return own === null || whole === null || whole === 0 ? null : own / whole;
}

function meanOf(results: readonly Result[], of: (result: Result) => number | undefined): number | null {
  const values = results.map(of).filter((value) => value !== undefined);
  return values.length === 0 ? null : mean(values);
}
