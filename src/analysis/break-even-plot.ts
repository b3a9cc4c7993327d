/** What choosing leaves of what pruning saves, by the number of image tokens: where a curve crosses zero it begins to pay. */
import * as Plot from '@observablehq/plot';
import { curveMarks } from './curves.js';
import { endLabels } from './end-labels.js';
import { plotSvg } from './plot.js';
import { curveOrder, curveStyle, MUTED, shapeAt, WIDTH } from './theme.js';

/** One strategy at one number of image tokens. Times are milliseconds. */
export interface Selection {
  /** The strategy's name, or a method's. */
  readonly strategy: string;
  /** R. */
  readonly ratio: number;
  readonly imageTokens: number;
  /** Choosing. */
  readonly selectorMs: number;
  /** The prefill without pruning, and what theory makes of it behind the cut. */
  readonly prefillMs: number;
  readonly prunedMs: number;
}

const [LEFT, RIGHT] = [60, 170];
const HEIGHT = 420;

/**
 * The plot of one R.
 * @param model what the times are of
 * @returns SVG
 */
export function breakEvenPlot(rows: readonly Selection[], ratio: number, model: string): string {
  const own = rows.filter((row) => row.ratio === ratio);
  const names = [...new Set(own.map(({ strategy }) => strategy))].sort(
    (a, b) => curveOrder(a.split('+')[0] ?? a) - curveOrder(b.split('+')[0] ?? b),
  );
  const curves = names.map((name, i) => ({
    name,
    ...curveStyle(name),
    shape: shapeAt(i),
    points: own
      .filter(({ strategy }) => strategy === name)
      .map(({ imageTokens: x, prefillMs, prunedMs, selectorMs }) => ({
        x,
        y: (100 * (prefillMs - prunedMs - selectorMs)) / prefillMs,
        low: null,
        high: null,
      })),
  }));
  const all = curves.flatMap(({ points }) => points);
  const most = Math.max(1, ...all.map(({ x }) => x));
  const low = Math.min(0, ...all.map(({ y }) => y));
  const high = Math.max(1, ...all.map(({ y }) => y));
  return plotSvg({
    title: `What is saved of a prefill at R = ${Number((100 * ratio).toFixed(2))} %, choosing included`,
    note: `${model}. Each curve is a strategy; above zero it saves processor time, and where it falls with the number of tokens choosing grows faster than the prefill.`,
    height: HEIGHT,
    marginLeft: LEFT,
    marginRight: RIGHT,
    marginBottom: 46,
    x: { label: 'image tokens →', domain: [0, most], labelAnchor: 'center' },
    yLabel: '↑ saved, % of the prefill',
    y: { label: null, domain: [low, high], nice: true, grid: true },
    marks: [
      Plot.ruleY([0], { stroke: MUTED }),
      ...curves.flatMap(curveMarks),
      ...endLabels(
        curves.flatMap(({ name, points, color, shape }) => {
          const end = points.reduce((last, point) => (point.x > last.x ? point : last), { x: -1, y: 0 });
          return end.x < 0 ? [] : [{ text: name, x: end.x, y: end.y, color, shape }];
        }),
        most + (8 * most) / (WIDTH - LEFT - RIGHT),
        (16 / HEIGHT) * (high - low),
      ),
    ],
  });
}
