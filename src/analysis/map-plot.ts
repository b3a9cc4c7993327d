/** Attention over the image, layer by layer: where the tokens lie that would be kept. */
import * as Plot from '@observablehq/plot';
import { scaleTicks, sequentialScale } from './color-scale.js';
import { plotSvg } from './plot.js';
import { INK, WIDTH } from './theme.js';

const COLUMNS = 5;
/** So much of all tokens may be beyond the scale's end: one token that gathers attention must not darken all others. */
const BEYOND = 0.005;

/**
 * Mean attention of each image token as small squares, one a layer, on one scale: each layer's own mean is 1.
 * @param maps by layer, a value for each image token, row by row
 * @returns SVG, or null if the tokens are no square grid
 */
export function attentionMaps(maps: readonly (readonly number[])[]): string | null {
  const count = maps[0]?.length ?? 0;
  const side = Math.sqrt(count);
  if (count === 0 || !Number.isInteger(side)) return null;
  const place = (layer: number): { column: number; row: number } => ({
    column: layer % COLUMNS,
    row: Math.floor(layer / COLUMNS),
  });
  const sums = maps.map((map) => map.reduce((a, b) => a + b, 0));
  const cells = maps.flatMap((map, layer) =>
    map.map((value, i) => ({
      ...place(layer),
      x: i % side,
      y: Math.floor(i / side),
      value: (value * count) / Math.max(Number.MIN_VALUE, sums[layer] ?? 0),
    })),
  );
  const sorted = cells.map(({ value }) => value).sort((a, b) => a - b);
  const most = sorted.at(-1) ?? 0;
  const nearly = sorted[Math.ceil((sorted.length - 1) * (1 - BEYOND))] ?? most;
  const end = Math.max(1.2, Math.ceil(10 * nearly) / 10);
  const scale = sequentialScale(end, 'viridis');
  const rows = Math.ceil(maps.length / COLUMNS);
  // squares: the columns are as wide as five of them have room for
  const column = (WIDTH - 20) / COLUMNS;
  const marginRight = 10 + column * (COLUMNS - Math.min(COLUMNS, maps.length));
  return plotSvg({
    title: 'Where in the image attention goes, layer by layer',
    note:
      'Mean attention of output tokens to each token of the (first) image, relative to the layer’s own mean over the ' +
      'image. All layers share one scale. In percent: the layer’s whole attention to that image.',
    height: 12 + rows * (column + 12),
    margin: 10,
    marginRight,
    marginTop: 26,
    marginBottom: 4,
    x: { axis: null, type: 'band', padding: 0 },
    y: { axis: null, type: 'band', padding: 0 },
    fx: { axis: null, padding: 0.12 },
    fy: { axis: null, padding: 0.2 },
    scaleBar: {
      scale,
      label: 'attention to a token, times the layer’s mean image token (1 = even)',
      ticks: [...scaleTicks({ ...scale, to: end * 0.92 }), end],
      format: (value) => `${value === end && most > end ? '≥ ' : ''}${Number(value.toFixed(1))}`,
    },
    marks: [
      Plot.cell(cells, {
        ...{ fx: 'column', fy: 'row', x: 'x', y: 'y' },
        fill: (d: { value: number }) => scale.color(d.value),
      }),
      Plot.text(
        sums.map((sum, layer) => ({ ...place(layer), text: `layer ${layer}: ${(100 * sum).toFixed(0)}%` })),
        {
          ...{ fx: 'column', fy: 'row', text: 'text', frameAnchor: 'top-left', dy: -15 },
          ...{ textAnchor: 'start', fill: INK },
        },
      ),
    ],
  });
}
