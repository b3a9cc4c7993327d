/** Scores of one task drawn again: any metric's, of one system or of several on the same units. */
import type { Metric, Units } from '../metrics/metric.js';
import { resampledMeans, type BootstrapOptions, type Rows } from './bootstrap.js';

/** So many that a p-value can be small enough for all comparisons of a sweep (Holm, 1979). */
const RESAMPLES = 10_000;

/**
 * The score of each system in each resample. Units are drawn within their stratum, for all systems together, so that
 * differences are paired. Where units have clusters, clusters are drawn, and a mean is the sum over those that were drawn over
 * their number of units (Cameron, Gelbach and Miller, "Bootstrap-based improvements for inference with clustered errors",
 * 2008, section 3, the pairs cluster bootstrap).
 * @param systems units of each, in the same order
 * @returns one array a system, of one score a resample
 */
export function resampledScores(
  metric: Metric,
  systems: readonly Units[],
  options: BootstrapOptions = {},
): Float64Array[] {
  const [first] = systems;
  if (first === undefined) return [];
  const { width } = first;
  const means = placesByStratum(first).map((places, stream) => {
    const drawing = { resamples: RESAMPLES, ...options, stream: (options.stream ?? 0) + stream };
    if (first.clusters === null) return resampledMeans(rowsOf(systems, places), drawing);
    const drawn = resampledMeans(clusterSums(systems, places, first.clusters.of), drawing);
    const counts = drawn.pop();
    return drawn.map((column) => column.map((sum, resample) => sum / (counts?.[resample] ?? NaN)));
  });
  const resamples = means[0]?.[0]?.length ?? 0;
  return systems.map((_, system) =>
    Float64Array.from({ length: resamples }, (__, resample) =>
      metric.score(
        means.map((columns) =>
          columns.slice(system * width, (system + 1) * width).map((column) => column[resample] ?? NaN),
        ),
      ),
    ),
  );
}

function placesByStratum({ count, strata }: Units): Uint32Array[] {
  if (strata === null) return count === 0 ? [] : [Uint32Array.from({ length: count }, (_, i) => i)];
  const places: number[][] = [];
  strata.of.forEach((stratum, i) => (places[stratum] ??= []).push(i));
  return places.map((own) => Uint32Array.from(own));
}

/** The numbers of all systems, unit by unit. */
function rowsOf(systems: readonly Units[], places: Uint32Array): Rows {
  const width = systems.reduce((sum, units) => sum + units.width, 0);
  const data = new Float64Array(places.length * width);
  places.forEach((place, row) => {
    addRow(systems, place, data, row * width);
  });
  return { data, width };
}

/** The sums of all systems' numbers over each cluster, and how many units it has. */
function clusterSums(systems: readonly Units[], places: Uint32Array, clusters: Uint32Array): Rows {
  const width = systems.reduce((sum, units) => sum + units.width, 1);
  const rows = new Map<number, number>();
  for (const place of places) {
    const cluster = clusters[place] ?? 0;
    if (!rows.has(cluster)) rows.set(cluster, rows.size);
  }
  const data = new Float64Array(rows.size * width);
  for (const place of places) {
    const at = (rows.get(clusters[place] ?? 0) ?? 0) * width;
    addRow(systems, place, data, at);
    data[at + width - 1] = (data[at + width - 1] ?? NaN) + 1;
  }
  return { data, width };
}

function addRow(systems: readonly Units[], place: number, data: Float64Array, from: number): void {
  let at = from;
  for (const { width, values } of systems)
    for (let column = 0; column < width; column++, at++)
      data[at] = (data[at] ?? NaN) + (values[width * place + column] ?? NaN);
}
