/** Points as curves over R: a line with a point at every R, and its interval upright through it. */
import * as Plot from '@observablehq/plot';
import { named } from './named.js';
import { pointMark } from './point-mark.js';
import type { CurveStyle, Shape } from './theme.js';

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  /** The ends of its interval; null where there is none. */
  readonly low: number | null;
  readonly high: number | null;
  /** The small plot that it belongs to, if there are several. */
  readonly column?: number;
  readonly row?: number;
}

export interface Curve extends CurveStyle {
  readonly points: readonly CurvePoint[];
  readonly shape: Shape;
  readonly width?: number;
  /** Moved to the right by so many pixels, so that equal curves can be told apart. */
  readonly dx?: number;
}

/** A curve as marks, its points from left to right. */
export function curveMarks({
  points,
  color,
  dash,
  shape,
  width = 1.8,
  dx = 0,
}: Curve): readonly Plot.Markish[] {
  const sorted = [...points].sort((a, b) => a.x - b.x);
  const facets = points.some((p) => p.column !== undefined) ? { fx: 'column', fy: 'row' } : {};
  return [
    Plot.ruleX(
      sorted.filter((p) => p.low !== null && p.high !== null),
      {
        ...facets,
        ...{ x: 'x', y1: 'low', y2: 'high', dx, stroke: color, strokeOpacity: 0.65, strokeWidth: 1.4 },
        ...named('interval'),
      },
    ),
    Plot.line(sorted, {
      ...facets,
      ...{ x: 'x', y: 'y', dx, stroke: color, strokeWidth: width },
      ...(dash === '' ? {} : { strokeDasharray: dash }),
    }),
    pointMark(sorted, { ...facets, x: 'x', y: 'y', dx }, shape, color),
  ];
}
