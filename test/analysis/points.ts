/** A made-up sweep to draw: what it costs falls with R and K, what it loses grows with R. */
import type { Point, PointKind } from '../../src/eval/points.js';

export const TASKS = [
  'scenes-existence',
  'scenes-count-all',
  'scenes-text-small',
  'scenes-color',
  'scenes-position',
  'scenes-size',
];
export const RATIOS = [0.5, 0.75, 0.9];

const HARM: Readonly<Record<string, number>> = { attention: 0.25, grid: 0.4, random: 0.5, downsample: 0.6 };

/** A point of a sweep over ten layers and 144 image tokens. */
export function point(kind: PointKind, layer: number | null, ratio: number): Point {
  const harm = (HARM[kind] ?? 0) * ratio ** 2 * (layer === null ? 1 : 2 / (layer + 1));
  const estimate = 0.85 - harm;
  const flopsRatio = kind === 'unpruned' ? 1 : ((layer ?? 0) + (10 - (layer ?? 0)) * (1 - 0.85 * ratio)) / 10;
  return {
    name: `${kind}-${layer}-${ratio}`,
    kind,
    layer,
    ratio,
    score: { estimate, low: estimate - 0.03, high: estimate + 0.03 },
    difference:
      kind === 'unpruned' ? null : { estimate: -harm, low: -harm - 0.02, high: -harm + 0.02, pValue: 0.01 },
    loyalty: kind === 'unpruned' ? null : 0.95 - harm,
    samples: 500,
    seeds: kind === 'random' ? 3 : 1,
    bySeed: [estimate],
    flopsRatio,
    kvRatio: flopsRatio,
    prefillMs: 20 * flopsRatio,
    keptImageTokens: Math.round(144 * (1 - ratio)),
    byTask: Object.fromEntries(TASKS.map((t, i) => [t, Math.max(0, estimate - 0.12 * i * ratio)])),
  };
}

/** Attention at four K, the baselines at K = 2. */
export const POINTS: readonly Point[] = [
  point('unpruned', null, 0),
  ...[1, 2, 3, 5].flatMap((k) => RATIOS.map((r) => point('attention', k, r))),
  ...RATIOS.flatMap((r) => [point('random', 2, r), point('grid', 2, r), point('downsample', null, r)]),
];

/** What a dataset or a model may be called. */
export const EVIL = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&\u0000';
