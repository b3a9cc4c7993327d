/** Quality against cost: a curve for each strategy and K over R, its 95% band, and the Pareto front. */
import * as Plot from '@observablehq/plot';
import { frontOf, type Point } from '../eval/points.js';
import { COLORS, plotSvg, spreadLabels } from './plot.js';

interface Dot {
  readonly series: string;
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  readonly name: string;
}

const BLUES: readonly string[] = ['#7fb8de', '#4f9bcf', '#2b7bba', '#155a9a', '#0b3d73', '#06244a'];
const WIDTH = 760;
const HEIGHT = 440;

/** The plot of a sweep's points; those without known FLOPs are left out. @returns SVG */
export function paretoPlot(points: readonly Point[], title = 'score'): string {
  const known = points.filter((p) => p.flopsRatio !== null);
  const dots = known.map(dotOf);
  const base = known.find((p) => p.kind === 'unpruned');
  const front = frontOf(known).map(dotOf);
  const curves = new Map<string, Dot[]>();
  for (const dot of dots) {
    if (dot.series === 'unpruned') continue;
    curves.set(dot.series, [...(curves.get(dot.series) ?? []), dot]);
  }
  const names = [...curves.keys()];
  const color = (series: string): string => colorOf(series, names);
  const sorted = names.flatMap((name) => [...(curves.get(name) ?? [])].sort((a, b) => a.x - b.x));
  const low = Math.min(100, ...dots.map((d) => d.low));
  const high = Math.max(0, ...dots.map((d) => d.high));
  const domain: [number, number] = [Math.max(0, low - 3), Math.min(100, high + 3)];

  // names at the right ends of the curves, moved apart
  const ends = names.flatMap((name) => {
    const last = [...(curves.get(name) ?? [])].sort((a, b) => b.x - a.x)[0];
    return last === undefined ? [] : [last];
  });
  const perLabel = (15 / (HEIGHT - 100)) * (domain[1] - domain[0]);
  const places = spreadLabels(
    ends.map((e) => e.y),
    perLabel,
  );
  const right = Math.max(100, ...dots.map((d) => d.x));
  const labels = ends.map((end, i) => ({ ...end, place: places[i] ?? end.y }));

  return plotSvg({
    width: WIDTH,
    height: HEIGHT,
    marginLeft: 50,
    marginRight: 150,
    marginTop: 40,
    marginBottom: 45,
    x: { label: 'prefill FLOPs, % of the unpruned model →', domain: [0, right + 2], labelAnchor: 'center' },
    y: { label: `↑ ${title}, %`, domain, grid: true },
    marks: [
      ...(base === undefined
        ? []
        : [Plot.ruleY([100 * base.score.estimate], { stroke: COLORS.unpruned, strokeDasharray: '2,3' })]),
      Plot.areaY(sorted, {
        x: 'x',
        y1: 'low',
        y2: 'high',
        z: 'series',
        fill: (d: Dot) => color(d.series),
        fillOpacity: 0.13,
      }),
      Plot.line(front, {
        x: 'x',
        y: 'y',
        stroke: '#999999',
        strokeWidth: 7,
        strokeOpacity: 0.35,
        strokeLinecap: 'round',
      }),
      Plot.line(sorted, {
        x: 'x',
        y: 'y',
        z: 'series',
        stroke: (d: Dot) => color(d.series),
        strokeWidth: 1.7,
      }),
      Plot.dot(dots, {
        x: 'x',
        y: 'y',
        fill: (d: Dot) => color(d.series),
        r: 3.5,
        stroke: '#ffffff',
        strokeWidth: 0.8,
      }),
      Plot.link(labels, {
        x1: 'x',
        y1: 'y',
        x2: right + 3,
        y2: 'place',
        stroke: (d: Dot) => color(d.series),
        strokeOpacity: 0.4,
      }),
      Plot.text(labels, {
        x: right + 3,
        y: 'place',
        text: 'series',
        fill: (d: Dot) => color(d.series),
        textAnchor: 'start',
        dx: 4,
        clip: false,
      }),
      ...(base === undefined
        ? []
        : [
            Plot.text([base], {
              x: 0,
              y: 100 * base.score.estimate,
              text: ['unpruned'],
              textAnchor: 'start',
              dx: 4,
              dy: -8,
              fill: COLORS.unpruned,
            }),
          ]),
    ],
  });
}

function dotOf(point: Point): Dot {
  const { kind, layer, score, name } = point;
  const series = layer === null ? kind : `${kind}, K=${layer}`;
  return {
    series,
    name,
    x: 100 * (point.flopsRatio ?? 0),
    y: 100 * score.estimate,
    low: 100 * score.low,
    high: 100 * score.high,
  };
}

/** The colour of its strategy; attention's curves go from light to dark blue as K grows. */
function colorOf(series: string, all: readonly string[]): string {
  const kind = series.split(',')[0] ?? '';
  const own = Object.entries(COLORS).find(([name]) => name === kind)?.[1] ?? '#222222';
  const same = all.filter((s) => s.split(',')[0] === kind);
  if (kind !== 'attention' || same.length <= 1) return own;
  const k = (s: string): number => Number(/\d+/.exec(s)?.[0] ?? 0);
  const rank = [...same].sort((a, b) => k(a) - k(b)).indexOf(series);
  return BLUES[Math.round((rank * (BLUES.length - 1)) / (same.length - 1))] ?? own;
}
