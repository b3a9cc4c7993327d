/** K against R: what is lost (or kept) in each cell, as the paper's Table 1 has it. */
import * as Plot from '@observablehq/plot';
import type { Point } from '../eval/points.js';
import { DEFAULT_STRATEGY, type StrategyName } from '../strategies/index.js';
import { divergingScale, sequentialScale, type ColorScale } from './color-scale.js';
import { percentNumber, signed } from './numbers.js';
import { plotSvg } from './plot.js';
import { inkOn } from './theme.js';

/** What a cell shows. */
export type HeatValue = 'score' | 'difference' | 'loyalty' | 'flops';

const TITLES: Readonly<Record<HeatValue, string>> = {
  score: 'Score at each K and R',
  difference: 'What is lost at each K and R',
  loyalty: 'Agreement with the unpruned model at each K and R',
  flops: 'What is left to compute at each K and R',
};

const LABELS: Readonly<Record<HeatValue, string>> = {
  score: 'score, %',
  difference: 'score less that of the unpruned model, points',
  loyalty: 'samples answered as by the unpruned model, %',
  flops: 'prefill FLOPs, % of the unpruned model',
};

/** So many points are drawn as strong at the least: a difference of 1 must not look like a disaster. */
const STRONG = 10;

/** The heat map of one strategy. @returns SVG, or null where it has no cells */
export function heatMap(
  points: readonly Point[],
  value: HeatValue,
  strategy: StrategyName = DEFAULT_STRATEGY,
): string | null {
  const cells = points.flatMap((p) => {
    const v = valueOf(p, value);
    return p.kind !== strategy || p.layer === null || v === null
      ? []
      : [{ k: `K = ${p.layer}`, layer: p.layer, r: `R = ${percentNumber(p.ratio)}%`, ratio: p.ratio, v }];
  });
  if (cells.length === 0) return null;
  const ks = [...new Map([...cells].sort((a, b) => a.layer - b.layer).map((c) => [c.k, c])).keys()];
  const rs = [...new Map([...cells].sort((a, b) => a.ratio - b.ratio).map((c) => [c.r, c])).keys()];
  const scale = scaleOf(
    value,
    cells.map((c) => c.v),
  );
  const text = (v: number): string => (value === 'difference' ? signed(v) : v.toFixed(1));
  const inGraph =
    'K: the layer from which on only the kept image tokens are seen; R: the share that is dropped';
  return plotSvg({
    title: `${TITLES[value]}, ranked by ${strategy}`,
    note: value === 'difference' ? `${inGraph}. Neutral: no difference.` : `${inGraph}.`,
    height: 34 + 40 * ks.length,
    marginLeft: 64,
    marginRight: 14,
    marginTop: 28,
    marginBottom: 6,
    x: { domain: rs, axis: 'top', label: null, tickSize: 0, padding: 0 },
    y: { domain: ks, label: null, tickSize: 0, padding: 0 },
    scaleBar: {
      scale,
      label: LABELS[value],
      format: (v) => (value === 'difference' && v !== 0 ? signed(v, 0) : v.toFixed(0)),
    },
    marks: [
      Plot.cell(cells, { x: 'r', y: 'k', fill: (c: { v: number }) => scale.color(c.v), inset: 1 }),
      Plot.text(cells, {
        x: 'r',
        y: 'k',
        text: (c: { v: number }) => text(c.v),
        fill: (c: { v: number }) => inkOn(scale.color(c.v)),
      }),
    ],
  });
}

/** Every scale is anchored at 0: a difference of 0 is neutral, a share of 0 is white. */
function scaleOf(value: HeatValue, values: readonly number[]): ColorScale {
  return value === 'difference'
    ? divergingScale(values, 0, STRONG)
    : sequentialScale(Math.max(100, ...values));
}

function valueOf(point: Point, value: HeatValue): number | null {
  switch (value) {
    case 'score':
      return 100 * point.score.estimate;
    case 'difference':
      return point.difference === null ? null : 100 * point.difference.estimate;
    case 'loyalty':
      return point.loyalty === null ? null : 100 * point.loyalty;
    case 'flops':
      return point.flopsRatio === null ? null : 100 * point.flopsRatio;
  }
}
