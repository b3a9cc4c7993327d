/** The key of a picture: a sample of each line, point and area beside what it stands for. */
import * as Plot from '@observablehq/plot';
import { named } from './named.js';
import { pointMark } from './point-mark.js';
import { textWidth } from './text-width.js';
import { INK, type CurveStyle, type Shape } from './theme.js';

/** A line of the key. */
export interface KeyEntry extends Partial<CurveStyle> {
  readonly text: string;
  readonly color: string;
  /** A point on the line; without it there is the line alone. */
  readonly shape?: Shape;
  /** How the sample is drawn: as a line (default), a broad one, an upright one, or not but for its shape. */
  readonly sample?: 'line' | 'broad' | 'upright' | 'none';
}

/** Height of a row. */
export const KEY_ROW = 20;
const SAMPLE = 30;
const GAP = 22;

interface Placed extends KeyEntry {
  readonly x: number;
  readonly row: number;
}

/** The entries beside one another, in as many rows as they need. @param width of a row, in pixels */
export function keyRows(entries: readonly KeyEntry[], width: number): readonly (readonly Placed[])[] {
  const rows: Placed[][] = [];
  let x = 0;
  for (const entry of entries) {
    const room = SAMPLE + 8 + textWidth(entry.text);
    if (rows.length === 0 || x + room > width) {
      rows.push([]);
      x = 0;
    }
    rows.at(-1)?.push({ ...entry, x, row: rows.length - 1 });
    x += room + GAP;
  }
  return rows;
}

/** The rows as marks in pixels. */
export function keyMarks(
  rows: readonly (readonly Placed[])[],
  left: number,
  top: number,
): readonly Plot.Markish[] {
  const placed = rows.flat().map((entry) => ({
    ...entry,
    x: left + entry.x,
    end: left + entry.x + SAMPLE,
    middle: left + entry.x + SAMPLE / 2,
    y: top + KEY_ROW * (entry.row + 0.5),
  }));
  if (placed.length === 0) return [];
  return [
    ...placed.flatMap((entry) => {
      const { sample = 'line', color, dash = '' } = entry;
      if (sample === 'none') return [];
      if (sample === 'upright') {
        return [
          Plot.link([entry], {
            ...{ x1: 'middle', x2: 'middle', y1: entry.y - 7, y2: entry.y + 7 },
            ...{ stroke: color, strokeWidth: 1.4 },
          }),
        ];
      }
      return [
        Plot.link([entry], {
          ...{ x1: 'x', x2: 'end', y1: 'y', y2: 'y', stroke: color, strokeDasharray: dash },
          ...(sample === 'broad' ? { strokeWidth: 8 } : { strokeWidth: 1.8 }),
        }),
      ];
    }),
    ...placed.flatMap((entry) =>
      entry.shape === undefined
        ? []
        : [pointMark([entry], { x: 'middle', y: 'y' }, entry.shape, entry.color)],
    ),
    Plot.text(placed, {
      ...{ x: 'end', y: 'y', dx: 8, text: 'text', textAnchor: 'start', fill: INK },
      ...named('key'),
    }),
  ];
}
