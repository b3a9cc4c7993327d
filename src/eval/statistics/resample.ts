/** Scores of one task drawn again: any metric's, of one system or of several on the same units. */
import type { Metric, Unit } from '../metrics/metric.js';
import { groupBy } from '../group-by.js';
import { resampledMeans, type BootstrapOptions } from './bootstrap.js';

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
  systems: readonly (readonly Unit[])[],
  options: BootstrapOptions = {},
): Float64Array[] {
  const [first = []] = systems;
  const width = first[0]?.values.length ?? 0;
  const strata = [...groupBy(first.keys(), (place) => first[place]?.stratum ?? '').values()];
  const valuesAt = (place: number): number[] => systems.flatMap((units) => units[place]?.values ?? []);
  const means = strata.map((places, stream) => {
    const drawing = { resamples: RESAMPLES, ...options, stream: (options.stream ?? 0) + stream };
    if (first[0]?.cluster === undefined) return resampledMeans(places.map(valuesAt), drawing);
    const clusters = groupBy(places, (place) => first[place]?.cluster ?? '');
    const sums = [...clusters.values()].map((members) => [
      ...columnSums(members.map(valuesAt)),
      members.length,
    ]);
    const drawn = resampledMeans(sums, drawing);
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

function columnSums(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => rows.reduce((sum, row) => sum + (row[column] ?? NaN), 0));
}
