/** The share of tokens that would be dropped, by K and by place among the image tokens. */
import * as Plot from '@observablehq/plot';
import { plotSvg } from './plot.js';
import type { PositionBias } from './position-bias.js';

/** A row a K, a column a tenth of the image tokens. @returns SVG, or null if there is nothing to show */
export function positionBiasPlot(bias: readonly PositionBias[]): string | null {
  const cells = bias.flatMap(({ layer, byPosition }) =>
    byPosition.flatMap((share, i) => (share === null ? [] : [{ layer, part: i + 1, share }])),
  );
  if (cells.length === 0) return null;
  return plotSvg({
    width: 560,
    height: 70 + 24 * bias.length,
    marginLeft: 50,
    marginTop: 40,
    marginBottom: 10,
    x: {
      type: 'band',
      axis: 'top',
      label: 'tenths of the image tokens, first to last',
      labelAnchor: 'center',
    },
    y: { type: 'band', label: 'K' },
    color: { type: 'linear', domain: [0, 1], scheme: 'blues' },
    marks: [
      Plot.cell(cells, { x: 'part', y: 'layer', fill: 'share', inset: 0.5 }),
      Plot.text(cells, {
        x: 'part',
        y: 'layer',
        text: (d: { share: number }) => `${(100 * d.share).toFixed(0)}%`,
        fill: (d: { share: number }) => (d.share > 0.6 ? '#ffffff' : '#222222'),
      }),
    ],
  });
}
