/** Attention over the image, layer by layer: where the tokens lie that would be kept. */
import * as Plot from '@observablehq/plot';
import { plotSvg } from './plot.js';

const COLUMNS = 5;
const SIDE = 110;

/**
 * Mean attention of each image token as small squares, one a layer, each on its own scale.
 * @param maps by layer, a value for each image token, row by row
 * @returns SVG, or null if the tokens are no square grid
 */
export function attentionMaps(maps: readonly (readonly number[])[]): string | null {
  const count = maps[0]?.length ?? 0;
  const side = Math.sqrt(count);
  if (count === 0 || !Number.isInteger(side)) return null;
  const cells = maps.flatMap((map, layer) => {
    const [least, most] = [Math.min(...map), Math.max(...map)];
    return map.map((value, i) => ({
      column: layer % COLUMNS,
      row: Math.floor(layer / COLUMNS),
      x: i % side,
      y: Math.floor(i / side),
      value: most === least ? 0 : (value - least) / (most - least),
    }));
  });
  const titles = maps.map((map, layer) => ({
    column: layer % COLUMNS,
    row: Math.floor(layer / COLUMNS),
    text: `layer ${layer}: ${(100 * map.reduce((a, b) => a + b, 0)).toFixed(0)}%`,
  }));
  const columns = Math.min(COLUMNS, maps.length);
  const rows = Math.ceil(maps.length / COLUMNS);
  return plotSvg({
    width: 20 + columns * (SIDE + 20),
    height: 10 + rows * (SIDE + 40),
    margin: 10,
    marginTop: 30,
    x: { axis: null, type: 'band', padding: 0 },
    y: { axis: null, type: 'band', padding: 0 },
    fx: { axis: null, padding: 0.12 },
    fy: { axis: null, padding: 0.28 },
    color: { type: 'linear', domain: [0, 1], scheme: 'viridis' },
    marks: [
      Plot.cell(cells, { fx: 'column', fy: 'row', x: 'x', y: 'y', fill: 'value' }),
      Plot.text(titles, {
        fx: 'column',
        fy: 'row',
        text: 'text',
        frameAnchor: 'top-left',
        dy: -14,
        textAnchor: 'start',
      }),
    ],
  });
}
