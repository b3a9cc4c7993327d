/** What results cost together: the one place where costs are averaged and set against the unpruned model's. */
import { median } from '../statistics.js';
import type { CostField, TaskResults } from './results/table.js';

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
  /** FLOPs of the vision encoder; null where they are not known. */
  readonly visionFlops: number | null;
  /** FLOPs of both over the unpruned model's; null where one of them is not known. */
  readonly totalFlopsRatio: number | null;
  readonly kvBytes: number | null;
  readonly kvRatio: number | null;
}

/**
 * The cost of results.
 * @param base the unpruned model's on the same questions, at full resolution; empty where it has not run
 */
export function costOf(results: readonly TaskResults[], base: readonly TaskResults[]): CellCost {
  const flops = meanOf(results, 'flops');
  const visionFlops = meanOf(results, 'visionFlops');
  const visionUnpruned = meanOf(base, 'visionFlops') ?? visionFlops;
  const kvBytes = meanOf(results, 'kvBytes');
  const flopsUnpruned = meanOf(base, 'flops') ?? meanOf(results, 'flopsUnpruned');
  const kvUnpruned = meanOf(base, 'kvBytes') ?? meanOf(results, 'kvBytesUnpruned');
  return {
    tokens: meanOf(results, 'tokens') ?? 0,
    imageTokens: meanOf(results, 'imageTokens') ?? 0,
    keptImageTokens: meanOf(results, 'keptImageTokens') ?? 0,
    visionMs: medianOf(results, (table, row) => table.cost(row, 'visionMs')),
    prefillMs: medianOf(results, (table, row) => table.cost(row, 'prefillMs')),
    decodeMs: medianOf(results, (table, row) => table.cost(row, 'decodeMs')),
    decodeMsPerToken: medianOf(
      results,
      (table, row) => table.cost(row, 'decodeMs') / Math.max(1, table.cost(row, 'generatedTokens') - 1),
    ),
    flops,
    flopsRatio: ratio(flops, flopsUnpruned),
    visionFlops,
    totalFlopsRatio: ratio(sum(flops, visionFlops), sum(flopsUnpruned, visionUnpruned)),
    kvBytes,
    kvRatio: ratio(kvBytes, kvUnpruned),
  };
}

function ratio(own: number | null, whole: number | null): number | null {
  return own === null || whole === null || whole === 0 ? null : own / whole;
}

function sum(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

/** The mean of what was measured; null where nothing was. */
function meanOf(results: readonly TaskResults[], field: CostField): number | null {
  let [sum, count] = [0, 0];
  for (const { table, rows } of results)
    for (const row of rows) {
      const value = table.cost(row, field);
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
  return count === 0 ? null : sum / count;
}

function medianOf(
  results: readonly TaskResults[],
  of: (table: TaskResults['table'], row: number) => number,
): number {
  const values = new Float64Array(results.reduce((sum, { rows }) => sum + rows.length, 0));
  let at = 0;
  for (const { table, rows } of results) for (const row of rows) values[at++] = of(table, row);
  return values.length === 0 ? 0 : median(values);
}
