/** Quality against cost: a curve for each strategy and K over R, its 95% intervals, and the Pareto front. */
import * as Plot from '@observablehq/plot';
import { named } from './named.js';
import { frontOf, type Point } from '../eval/points.js';
import { curveMarks, type Curve, type CurvePoint } from './curves.js';
import { endLabels, labelRoom } from './end-labels.js';
import { plotSvg } from './plot.js';
import { curveOrder, curveStyle, darker, MUTED, shapeAt, WIDTH, type Shape } from './theme.js';

const FRONT = '#c9c9c9';
/** Margins: the axis, and the names of curves. */
const [LEFT, LEAST_RIGHT] = [50, 170];
/** Between strategies, in pixels: at one K and R they cost the same. */
const APART = 4;

interface Series extends Curve {
  readonly name: string;
  readonly kind: string;
  readonly layer: number | null;
}

/**
 * The plot of a sweep's points; those without known FLOPs are left out.
 * @param metric what the score is, for the axis
 * @returns SVG
 */
export function paretoPlot(points: readonly Point[], metric = 'score'): string {
  const known = points.filter((p) => p.flopsRatio !== null);
  const dots = known.map(dotOf);
  const base = known.find((p) => p.kind === 'unpruned');
  const front = frontOf(known).map(dotOf);
  const curves = seriesOf(known);
  // only what has a K can be at one place
  const kinds = [...new Set(curves.flatMap(({ kind, layer }) => (layer === null ? [] : [kind])))];
  const apart = (kind: string): number => APART * Math.max(0, kinds.indexOf(kind));
  const domain = scoreDomain(dots, known.filter((p) => p.kind !== 'unpruned').length);
  const right = Math.max(100, ...dots.map((d) => d.x));
  // a row of text a curve, whatever their number
  const frame = Math.max(360, 16 * curves.length);
  const margin = labelRoom(
    curves.map(({ name }) => name),
    LEAST_RIGHT,
  );
  const unit = (right + 2) / (WIDTH - LEFT - margin);
  const label = frontLabel(
    front,
    { dots, base: base === undefined ? null : 100 * base.score.estimate },
    domain,
    right,
    frame,
  );
  return plotSvg({
    title: 'Score against what the prefill costs',
    note:
      'Each curve is a strategy at one K, from its largest R at the left to its smallest. Up and left is better: nothing ' +
      'beats the Pareto front in both.' +
      (kinds.length > 1
        ? ` ${list(kinds.slice(1))} moved a little to the right, so that no interval hides another.`
        : ''),
    key: [
      ...(front.length > 1 ? [{ text: 'Pareto front', color: FRONT, sample: 'broad' } as const] : []),
      { text: '95% interval over samples', color: MUTED, sample: 'upright' },
      ...(base === undefined ? [] : [{ text: 'unpruned', ...curveStyle('unpruned') }]),
    ],
    height: frame + 58,
    marginLeft: LEFT,
    marginRight: margin,
    marginTop: 12,
    marginBottom: 46,
    x: { label: 'prefill FLOPs, % of the unpruned model →', domain: [0, right + 2], labelAnchor: 'center' },
    yLabel: `↑ ${metric}, %`,
    y: { label: null, domain, grid: true },
    marks: [
      ...(base === undefined ? [] : [unprunedRule(base)]),
      Plot.line(front, {
        ...{ x: 'x', y: 'y', stroke: FRONT, strokeWidth: 8, strokeLinecap: 'round' },
        ...named('Pareto front'),
      }),
      ...curves.flatMap((curve) => curveMarks({ ...curve, dx: apart(curve.kind) })),
      ...(label === null
        ? []
        : [
            Plot.text([label], {
              ...{ x: 'x', y: 'y', text: ['Pareto front'], fill: MUTED, textAnchor: 'end', dx: -6 },
              ...named('front label'),
            }),
          ]),
      ...(base === undefined
        ? []
        : curveMarks({
            ...curveStyle('unpruned'),
            points: [dotOf(base)],
            shape: { symbol: 'circle', hollow: true },
          })),
      ...endLabels(
        curves.flatMap(({ name, kind, points: all, color, shape }) => {
          const [end] = [...all].sort((a, b) => b.x - a.x);
          return end === undefined
            ? []
            : [{ text: name, x: end.x + apart(kind) * unit, y: end.y, color, shape }];
        }),
        right + 3,
        (16 / frame) * (domain[1] - domain[0]),
      ),
    ],
  });
}

/** Capitalised, since it begins a sentence. */
function list(names: readonly string[]): string {
  const [last = '', ...others] = [...names].reverse();
  const text = others.length === 0 ? `${last} is` : `${others.reverse().join(', ')} and ${last} are`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function unprunedRule(base: Point): Plot.Markish {
  const { color, dash } = curveStyle('unpruned');
  return Plot.ruleY([100 * base.score.estimate], { stroke: color, strokeDasharray: dash });
}

/** Curves in the order of the strategies. Colour and dash tell the strategy, shape (and a shade) tells K. */
function seriesOf(points: readonly Point[]): readonly Series[] {
  const pruned = points.filter((p) => p.kind !== 'unpruned');
  const layers = [...new Set(pruned.map((p) => p.layer))].sort((a, b) => (a ?? -1) - (b ?? -1));
  const numbers = layers.filter((layer) => layer !== null);
  const groups = new Map<string, Point[]>();
  for (const point of pruned) groups.set(nameOf(point), [...(groups.get(nameOf(point)) ?? []), point]);
  return [...groups]
    .flatMap(([name, members]) => {
      const [first] = members;
      return first === undefined ? [] : [{ name, members, kind: first.kind, layer: first.layer }];
    })
    .sort((a, b) => curveOrder(a.kind) - curveOrder(b.kind) || (a.layer ?? -1) - (b.layer ?? -1))
    .map(({ name, members, kind, layer }) => {
      const style = curveStyle(kind);
      const rank = layer === null ? 0 : numbers.indexOf(layer) / Math.max(1, numbers.length - 1);
      return {
        name,
        kind,
        layer,
        ...style,
        color: darker(style.color, 0.55 * rank),
        points: members.map(dotOf),
        shape: layer === null ? NO_LAYER : shapeAt(numbers.indexOf(layer)),
      };
    });
}

/** Of what has no K: less image tokens from the start. */
const NO_LAYER: Shape = { symbol: 'wye', hollow: false };

function nameOf({ kind, layer }: Point): string {
  return layer === null ? kind : `${kind}, K = ${layer}`;
}

/**
 * The score axis. One setting alone is shown on the whole axis, since nothing else tells how large its
 * difference is; several are shown as closely as they lie, but never fewer than 20 points of score.
 */
function scoreDomain(dots: readonly CurvePoint[], settings: number): [number, number] {
  const most = Math.max(100, ...dots.map((d) => d.high ?? d.y));
  if (settings <= 1) return [0, most];
  const low = Math.max(0, 5 * Math.floor((Math.min(...dots.map((d) => d.low ?? d.y)) - 2) / 5));
  const high = Math.min(most, 5 * Math.ceil((Math.max(...dots.map((d) => d.high ?? d.y)) + 2) / 5));
  const missing = Math.max(0, 20 - (high - low));
  const lower = Math.max(0, low - missing);
  return [lower, Math.min(most, Math.max(high, lower + 20))];
}

/** The front's name: its width as a share of the x axis, how far above the front it stands and half its height, in pixels. */
const NAME = { width: 0.17, above: 14, half: 9 };

/**
 * Where the front's name stands: left above the middle of one of its steps, the longest where there is a choice,
 * since no point can lie there without being on the front itself. Null where an interval or the unpruned model's line
 * is in the way, and the key alone must do.
 */
function frontLabel(
  front: readonly CurvePoint[],
  others: { readonly dots: readonly CurvePoint[]; readonly base: number | null },
  [low, high]: readonly [number, number],
  right: number,
  frame: number,
): { readonly x: number; readonly y: number } | null {
  const pixel = (high - low) / frame;
  const room = NAME.half * pixel;
  const steps = front.slice(1).map((to, i) => {
    const from = front[i] ?? to;
    return {
      x: (from.x + to.x) / 2,
      y: (from.y + to.y) / 2 + NAME.above * pixel,
      length: Math.hypot((to.x - from.x) / right, (to.y - from.y) / (high - low)),
    };
  });
  const isFree = ({ x, y }: { readonly x: number; readonly y: number }): boolean =>
    x > NAME.width * right &&
    y + room < high &&
    (others.base === null || Math.abs(others.base - y) > room) &&
    others.dots.every(
      (dot) =>
        dot.x > x ||
        dot.x < x - NAME.width * right ||
        (dot.high ?? dot.y) < y - room ||
        (dot.low ?? dot.y) > y + room,
    );
  return steps.filter(isFree).sort((a, b) => b.length - a.length)[0] ?? null;
}

function dotOf(point: Point): CurvePoint {
  const { score } = point;
  return {
    x: 100 * (point.flopsRatio ?? 0),
    y: 100 * score.estimate,
    low: 100 * score.low,
    high: 100 * score.high,
  };
}
