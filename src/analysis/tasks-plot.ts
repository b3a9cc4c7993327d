/** Which task breaks first: the score of each task over R, one small plot a task. */
import * as Plot from '@observablehq/plot';
import { named } from './named.js';
import type { Point } from '../eval/points.js';
import type { Interval } from '../eval/statistics/bootstrap.js';
import { curveMarks, type CurvePoint } from './curves.js';
import { plotSvg } from './plot.js';
import { fitText } from './text-width.js';
import { curveOrder, curveStyle, INK, RULE, shapeAt } from './theme.js';

const COLUMNS = 4;
/** Between curves that would lie on one another. */
const APART = 3;

/** What is known of the tasks besides the points. */
export interface TaskPlotOptions {
  /** The intervals of one task's scores, by the points' names. */
  readonly intervalsOf?: (task: string) => ReadonlyMap<string, Interval>;
  /** What a task's score is. */
  readonly metricOf?: (task: string) => string | undefined;
}

/**
 * Small multiples of one K: a line for each strategy, the unpruned model at R = 0.
 * @returns SVG, or null where there is nothing to show
 */
export function tasksPlot(
  points: readonly Point[],
  layer: number,
  { intervalsOf = () => new Map(), metricOf = () => undefined }: TaskPlotOptions = {},
): string | null {
  const base = points.find((p) => p.kind === 'unpruned');
  const shown = points.filter((p) => p.layer === layer || p.kind.startsWith('downsample'));
  const tasks = Object.keys((base ?? shown[0])?.byTask ?? {});
  if (shown.length === 0 || tasks.length === 0) return null;
  const kinds = [...new Set(shown.map((p) => p.kind))].sort((a, b) => curveOrder(a) - curveOrder(b));
  const metrics = [...new Set(tasks.map(metricOf))];
  const place = (i: number): { column: number; row: number } => ({
    column: i % COLUMNS,
    row: Math.floor(i / COLUMNS),
  });
  const own = tasks.map(intervalsOf);
  const pointsFor = (kind: string): CurvePoint[] =>
    tasks.flatMap((task, i) =>
      [...(base === undefined ? [] : [base]), ...shown.filter((p) => p.kind === kind)].flatMap((p) => {
        const score = p.byTask[task];
        if (score === undefined) return [];
        const interval = own[i]?.get(p.name);
        return [
          {
            ...place(i),
            x: p.kind === 'unpruned' ? 0 : 100 * p.ratio,
            y: 100 * score,
            low: interval === undefined ? null : 100 * interval.low,
            high: interval === undefined ? null : 100 * interval.high,
          },
        ];
      }),
    );
  const curves = kinds.map((kind, i) => ({
    ...curveStyle(kind),
    points: pointsFor(kind),
    shape: shapeAt(i),
    // broad ones behind narrow ones: of two that are equal both are seen
    width: 1.4 + 0.6 * (kinds.length - 1 - i),
    dx: APART * (i - (kinds.length - 1) / 2),
  }));
  const rows = Math.ceil(tasks.length / COLUMNS);
  const hasIntervals = curves.some((curve) => curve.points.some((p) => p.low !== null));
  const metric = metrics.length === 1 && metrics[0] !== undefined ? `${metrics[0]}, %` : 'score, %';
  return plotSvg({
    title: `The score of each task over R at K = ${layer}`,
    note: [
      'R = 0 is the unpruned model.',
      ...(hasIntervals ? ['Upright lines: 95% intervals over samples.'] : []),
      ...(kinds.length > 1 ? ['Curves are set a little apart, so that none hides another.'] : []),
      ...(kinds.some((kind) => kind.startsWith('downsample')) ? ['Downsampling has no K.'] : []),
    ].join(' '),
    key: kinds.map((kind, i) => ({ text: kind, ...curveStyle(kind), shape: shapeAt(i) })),
    height: 60 + 150 * rows,
    marginTop: 30,
    marginLeft: 45,
    marginRight: 14,
    marginBottom: 46,
    x: {
      label: 'R, % of image tokens dropped →',
      domain: [-4, 104],
      ticks: [0, 50, 100],
      labelAnchor: 'center',
    },
    yLabel: `↑ ${metric}`,
    y: { label: null, domain: [-4, 104], ticks: [0, 50, 100], grid: true },
    fx: { axis: null, padding: 0.12 },
    fy: { axis: null, padding: 0.28 },
    marks: [
      Plot.frame({ stroke: RULE }),
      ...curves.flatMap(curveMarks),
      Plot.text(
        tasks.map((task, i) => ({
          ...place(i),
          text: titleOf(task, metrics.length > 1 ? metricOf(task) : undefined),
        })),
        {
          ...{ fx: 'column', fy: 'row', text: 'text', frameAnchor: 'top-left', dy: -17 },
          ...{ fontWeight: 'bold', textAnchor: 'start', fill: INK },
          ...named('task'),
        },
      ),
    ],
  });
}

/** The task's name, with its metric where the tasks have several. */
function titleOf(task: string, metric: string | undefined): string {
  const name = task.replace(/^scenes-/, '');
  return fitText(metric === undefined ? name : `${name}: ${metric}`, 160);
}
