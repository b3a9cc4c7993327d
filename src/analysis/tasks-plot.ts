/** Which task breaks first: the score of each task over R, one small plot a task. */
import * as Plot from '@observablehq/plot';
import type { Point } from '../eval/points.js';
import { COLORS, plotSvg } from './plot.js';

const COLUMNS = 4;

/**
 * Small multiples of one K: a line for each strategy, the unpruned model at R = 0.
 * @returns SVG, or null where there is nothing to show
 */
export function tasksPlot(points: readonly Point[], layer: number): string | null {
  const base = points.find((p) => p.kind === 'unpruned');
  const shown = points.filter((p) => p.layer === layer || p.kind === 'downsample');
  const tasks = Object.keys((base ?? shown[0])?.byTask ?? {});
  if (shown.length === 0 || tasks.length === 0) return null;
  const kinds = [...new Set(shown.map((p) => p.kind))];
  const rows = tasks.flatMap((task, i) =>
    kinds.flatMap((kind) =>
      [...(base === undefined ? [] : [base]), ...shown.filter((p) => p.kind === kind)].flatMap((p) => {
        const score = p.byTask[task];
        const ratio = p.kind === 'unpruned' ? 0 : 100 * p.ratio;
        return score === undefined
          ? []
          : [{ column: i % COLUMNS, row: Math.floor(i / COLUMNS), kind, ratio, score: 100 * score }];
      }),
    ),
  );
  const titles = tasks.map((task, i) => ({
    column: i % COLUMNS,
    row: Math.floor(i / COLUMNS),
    task: task.replace(/^scenes-/, ''),
  }));
  const columns = Math.min(COLUMNS, tasks.length);
  const lines = Math.ceil(tasks.length / COLUMNS);
  const color = (kind: string): string =>
    Object.entries(COLORS).find(([name]) => name === kind)?.[1] ?? '#222222';
  const legend = kinds.map((kind, i) => ({ column: 0, row: 0, kind, x: i }));
  return plotSvg({
    width: 60 + 185 * columns,
    height: 110 + 150 * lines,
    marginTop: 55,
    marginLeft: 45,
    marginBottom: 45,
    x: {
      label: 'R, % of image tokens dropped →',
      domain: [0, 100],
      ticks: [0, 50, 100],
      labelAnchor: 'center',
    },
    y: { label: null, domain: [0, 100], ticks: [0, 50, 100], grid: true },
    fx: { axis: null, padding: 0.12 },
    fy: { axis: null, padding: 0.28 },
    marks: [
      Plot.frame({ stroke: '#dddddd' }),
      Plot.line(rows, {
        fx: 'column',
        fy: 'row',
        x: 'ratio',
        y: 'score',
        z: 'kind',
        stroke: (d: { kind: string }) => color(d.kind),
        strokeWidth: 1.8,
      }),
      Plot.dot(rows, {
        fx: 'column',
        fy: 'row',
        x: 'ratio',
        y: 'score',
        fill: (d: { kind: string }) => color(d.kind),
        r: 2.4,
      }),
      Plot.text(titles, {
        fx: 'column',
        fy: 'row',
        text: 'task',
        frameAnchor: 'top-left',
        dy: -14,
        fontWeight: 'bold',
        textAnchor: 'start',
      }),
      ...legend.map((d, i) =>
        Plot.text([d], {
          fx: 'column',
          fy: 'row',
          text: 'kind',
          frameAnchor: 'top-left',
          dy: -42,
          dx: 90 * i,
          fill: color(d.kind),
          textAnchor: 'start',
        }),
      ),
    ],
  });
}
