/** K against R: what is lost (or kept) in each cell, as the paper's Table 1 has it. */
import * as Plot from '@observablehq/plot';
import type { Point } from '../eval/points.js';
import { DEFAULT_STRATEGY, type StrategyName } from '../strategies/index.js';
import { plotSvg } from './plot.js';

/** What a cell shows. */
export type HeatValue = 'score' | 'difference' | 'loyalty' | 'flops';

const TITLES: Readonly<Record<HeatValue, string>> = {
  score: 'score, %',
  difference: 'score less unpruned, points',
  loyalty: 'agreement with the unpruned model, %',
  flops: 'prefill FLOPs, % of unpruned',
};

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
      : [{ k: `K=${p.layer}`, r: `R=${Number((100 * p.ratio).toFixed(2))}%`, v }];
  });
  if (cells.length === 0) return null;
  const numeric = (text: string): number => Number(/[\d.]+/.exec(text)?.[0] ?? 0);
  const order = (names: readonly string[]): string[] =>
    [...new Set(names)].sort((a, b) => numeric(a) - numeric(b));
  const [ks, rs] = [order(cells.map((c) => c.k)), order(cells.map((c) => c.r))];
  const values = cells.map((c) => c.v);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = most - least || 1;
  const dark = (v: number): boolean =>
    value === 'difference' ? (v - least) / span < 0.35 : (v - least) / span > 0.6;
  return plotSvg({
    width: 110 + 80 * rs.length,
    height: 90 + 44 * ks.length,
    marginLeft: 55,
    marginTop: 62,
    marginBottom: 10,
    x: { domain: rs, axis: 'top', label: null, tickSize: 0 },
    y: { domain: ks, label: null, tickSize: 0 },
    color: {
      type: 'linear',
      domain: [least, most],
      scheme: value === 'difference' ? 'reds' : 'blues',
      reverse: value === 'difference',
    },
    marks: [
      Plot.cell(cells, { x: 'r', y: 'k', fill: 'v', inset: 1 }),
      Plot.text(cells, {
        x: 'r',
        y: 'k',
        text: (c: { v: number }) =>
          value === 'difference' && c.v > 0 ? `+${c.v.toFixed(1)}` : c.v.toFixed(1),
        fill: (c: { v: number }) => (dark(c.v) ? '#ffffff' : '#222222'),
        fontSize: 13,
      }),
      Plot.text([`${strategy}: ${TITLES[value]}`], {
        frameAnchor: 'top-left',
        dx: -45,
        dy: -52,
        fontSize: 13,
        fontWeight: 'bold',
        textAnchor: 'start',
      }),
    ],
  });
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
