/** Names at the right of curves, beside their ends and moved apart where they would lie on one another. */
import * as Plot from '@observablehq/plot';
import { named } from './named.js';
import { pointMark } from './point-mark.js';
import { spreadLabels } from './plot.js';
import { textWidth } from './text-width.js';
import { INK, MUTED, type Shape } from './theme.js';

export interface EndLabel {
  readonly text: string;
  /** The end of its curve. */
  readonly x: number;
  readonly y: number;
  readonly color: string;
  /** The curve's points. */
  readonly shape: Shape;
}

/** Room for names at the right, in pixels. @param least where all of them are short */
export function labelRoom(names: readonly string[], least: number): number {
  return Math.max(least, ...names.map((name) => 34 + textWidth(name)));
}

/**
 * Labels as marks, with a thin line to the end of each curve.
 * @param at where they begin, on the x axis
 * @param dx moves them to the right, in pixels
 * @param gap the least distance of two of them, on the y axis
 */
export function endLabels(
  labels: readonly EndLabel[],
  at: number,
  gap: number,
  dx = 0,
): readonly Plot.Markish[] {
  const places = spreadLabels(
    labels.map(({ y }) => y),
    gap,
  );
  const placed = labels.map((label, i) => ({ ...label, place: places[i] ?? label.y }));
  return [
    Plot.link(
      placed.filter(({ x }) => x !== at),
      { x1: 'x', y1: 'y', x2: at, y2: 'place', stroke: MUTED, strokeOpacity: 0.35 },
    ),
    ...placed.map((label) => pointMark([label], { x: at, y: 'place', dx: dx + 6 }, label.shape, label.color)),
    Plot.text(placed, {
      ...{ x: at, y: 'place', text: 'text', fill: INK, textAnchor: 'start', dx: dx + 16 },
      ...named('curve'),
    }),
  ];
}
