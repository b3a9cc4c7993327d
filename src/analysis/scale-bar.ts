/** What the colours of a heat map stand for: a bar from the scale's one end to the other, with numbers. */
import * as Plot from '@observablehq/plot';
import { named } from './named.js';
import { scaleTicks, type ColorScale } from './color-scale.js';
import { INK, MUTED } from './theme.js';

export interface ScaleBar {
  readonly scale: ColorScale;
  /** What the numbers are, with their unit. */
  readonly label: string;
  /** Numbers to be written beneath the bar; default: round ones. */
  readonly ticks?: readonly number[];
  readonly format: (value: number) => string;
}

/** The room that it takes. */
export const SCALE_BAR_HEIGHT = 64;
const LENGTH = 320;
const STEPS = 128;

/** The bar as marks in pixels. */
export function scaleBarMarks(
  { scale, label, ticks, format }: ScaleBar,
  left: number,
  top: number,
): readonly Plot.Markish[] {
  const { from, to } = scale;
  const steps = Array.from({ length: STEPS }, (_, i) => ({
    x1: left + (LENGTH * i) / STEPS,
    // half a pixel over the next, or the ground shines through between them
    x2: left + (LENGTH * (i + 1)) / STEPS + (i === STEPS - 1 ? 0 : 0.5),
    color: scale.color(from + ((to - from) * (i + 0.5)) / STEPS),
  }));
  const placed = (ticks ?? scaleTicks(scale)).map((value) => ({
    x: left + (LENGTH * (value - from)) / (to - from),
    text: format(value),
  }));
  const [bar, end] = [top + 24, top + 36];
  return [
    Plot.text([label], { x: left, y: top + 12, textAnchor: 'start', fill: INK, ...named('scale label') }),
    Plot.rect(steps, {
      ...{ x1: 'x1', x2: 'x2', y1: bar, y2: end, fill: (d: { color: string }) => d.color },
      ...named('scale bar'),
    }),
    Plot.rect([0], { x1: left, x2: left + LENGTH, y1: bar, y2: end, fill: 'none', stroke: MUTED }),
    Plot.link(placed, { x1: 'x', x2: 'x', y1: end, y2: end + 4, stroke: MUTED }),
    Plot.text(placed, { x: 'x', y: end + 13, text: 'text', fill: INK, ...named('scale numbers') }),
  ];
}
