/** What pruning saves and what choosing costs, by the number of image tokens: a strategy pays while its curve is below. */
import { curveMarks, type Curve } from './curves.js';
import { endLabels, labelRoom } from './end-labels.js';
import { plotSvg } from './plot.js';
import { curveStyle, inMethodOrder, INK, shapeAt, WIDTH, type Shape } from './theme.js';

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

const [LEFT, LEAST_RIGHT] = [76, 170];
const HEIGHT = 460;

/** The name of what pruning saves. */
const SAVED = 'saved by pruning';

/**
 * The plot of one R.
 * @param model what the times are of
 * @returns SVG
 */
export function breakEvenPlot(rows: readonly Selection[], ratio: number, model: string): string {
  const own = rows.filter((row) => row.ratio === ratio);
  const names = inMethodOrder(own.map(({ strategy }) => strategy));
  const curve = (name: string, shape: Shape, ms: (row: Selection) => number): Curve & { name: string } => ({
    ...{ name, shape, ...curveStyle(name) },
    points: own
      .filter((row) => (name === SAVED ? row.strategy === names[0] : row.strategy === name))
      .map((row) => ({ x: Math.log2(row.imageTokens), y: Math.log10(ms(row)), low: null, high: null }))
      .filter(({ y }) => Number.isFinite(y)),
  });
  const curves = [
    {
      ...curve(SAVED, shapeAt(names.length), ({ prefillMs, prunedMs }) => prefillMs - prunedMs),
      ...{ color: INK, dash: '', width: 3 },
    },
    ...names.map((name, i) => curve(name, shapeAt(i), ({ selectorMs }) => selectorMs)),
  ];
  const all = curves.flatMap(({ points }) => points);
  const tokens = [...new Set(own.map(({ imageTokens }) => imageTokens))].sort((a, b) => a - b);
  const [least = 1, most = least + 1] = [tokens[0], tokens.at(-1)].map((count) => Math.log2(count ?? 2));
  const low = Math.floor(Math.min(0, ...all.map(({ y }) => y)));
  const high = Math.ceil(Math.max(1, ...all.map(({ y }) => y)));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const margin = labelRoom(names, LEAST_RIGHT);
  return plotSvg({
    title: `What pruning saves of a prefill and what choosing costs, R = ${Number((100 * ratio).toFixed(2))} %`,
    note: `${model}; milliseconds of processor time. A strategy pays while its curve is below the bold one, what R saves. Both axes are logarithmic.`,
    height: HEIGHT,
    marginLeft: LEFT,
    marginRight: margin,
    marginBottom: 46,
    x: {
      ...{ label: 'image tokens →', domain: [least - 0.1, most], labelAnchor: 'center' },
      ...{ ticks: tokens.map(Math.log2), tickFormat: (log: number) => (2 ** log).toFixed(0) },
    },
    yLabel: '↑ milliseconds',
    y: {
      ...{ label: null, domain: [low, high], grid: true, ticks },
      tickFormat: (log: number) => (10 ** log).toLocaleString('en'),
    },
    marks: [
      ...curves.flatMap(curveMarks),
      ...endLabels(
        curves.flatMap(({ name, points, color, shape }) => {
          const end = points.reduce((last, point) => (point.x > last.x ? point : last), { x: -1, y: 0 });
          return end.x < 0 ? [] : [{ text: name, x: end.x, y: end.y, color, shape }];
        }),
        most + (8 * (most - least)) / (WIDTH - LEFT - margin),
        (16 / HEIGHT) * (high - low),
      ),
    ],
  });
}
