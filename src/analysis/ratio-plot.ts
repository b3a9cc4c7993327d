/** What is left of the score as R grows, one curve a rule. */
import { curveMarks, type Curve } from './curves.js';
import { endLabels, labelRoom } from './end-labels.js';
import { plotSvg } from './plot.js';
import { curveStyle, inMethodOrder, shapeAt, WIDTH } from './theme.js';

/** A rule at one R. Scores are percent. */
export interface RuleScore {
  /** The strategy's name, or a method's. */
  readonly rule: string;
  /** R. */
  readonly ratio: number;
  readonly score: number;
  /** Half of the interval of the difference from the unpruned model. */
  readonly halfInterval: number;
}

const [LEFT, LEAST_RIGHT] = [60, 170];
/** Of two names at the curves' ends, in pixels. */
const GAP = 16;

/**
 * The plot of one K.
 * @param unpruned the model's own score, a line across
 * @param about what was asked, in the note
 * @returns SVG
 * @example ratioPlot([{ rule: 'attention', ratio: 0.9, score: 72.5, halfInterval: 1.9 }], 92.5, 'Bundled model, K = 2')
 */
export function ratioPlot(rows: readonly RuleScore[], unpruned: number, about: string): string {
  const names = inMethodOrder(rows.map(({ rule }) => rule));
  const ratios = [...new Set(rows.map(({ ratio }) => ratio))].sort((a, b) => a - b);
  const most = Math.max(0, ratios.length - 1);
  // equally far apart: 90 and 95 % would lie on one another
  const curves = names.map((name, i): Curve & { name: string } => ({
    ...{ name, shape: shapeAt(i), ...curveStyle(name) },
    points: rows
      .filter(({ rule }) => rule === name)
      .map(({ ratio, score, halfInterval }) => ({
        ...{ x: ratios.indexOf(ratio), y: score },
        ...{ low: score - halfInterval, high: score + halfInterval },
      })),
  }));
  const height = Math.max(360, GAP * (names.length + 4));
  const across: Curve = {
    ...curveStyle('unpruned'),
    shape: shapeAt(names.length),
    points: ratios.map((_, x) => ({ x, y: unpruned, low: null, high: null })),
  };
  const drawn = [...curves, { name: 'unpruned', ...across }];
  const margin = labelRoom(names, LEAST_RIGHT);
  return plotSvg({
    title: 'What each rule keeps of the score',
    note: `${about}. Upright lines are 95 % intervals of the paired difference from the unpruned model.`,
    height,
    marginLeft: LEFT,
    marginRight: margin,
    marginBottom: 46,
    x: {
      ...{ label: 'R, image tokens that are dropped →', labelAnchor: 'center', domain: [-0.1, most + 0.05] },
      ...{
        ticks: ratios.map((_, i) => i),
        tickFormat: (i: number) => `${Math.round(100 * (ratios[i] ?? 0))} %`,
      },
    },
    yLabel: '↑ score, %',
    y: { label: null, domain: [0, 100], grid: true },
    marks: [
      ...drawn.flatMap(curveMarks),
      ...endLabels(
        drawn.flatMap(({ name, points, color, shape }) => {
          const end = points.find(({ x }) => x === most);
          return end === undefined ? [] : [{ text: name, x: end.x, y: end.y, color, shape }];
        }),
        most + 0.05 + (10 * most) / (WIDTH - LEFT - margin),
        (100 * GAP) / (height - 66),
      ),
    ],
  });
}
