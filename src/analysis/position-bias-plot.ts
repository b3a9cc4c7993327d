/** The share of tokens that would be dropped, by K and by place among the image tokens. */
import * as Plot from '@observablehq/plot';
import { divergingScale } from './color-scale.js';
import { percentNumber } from './numbers.js';
import { plotSvg } from './plot.js';
import type { PositionBias } from './position-bias.js';
import { inkOn } from './theme.js';

/** So far from R a share is drawn as strong at the least. */
const STRONG = 0.2;

/** A row a K, a column a tenth of the image tokens. @returns SVG, or null if there is nothing to show */
export function positionBiasPlot(bias: readonly PositionBias[]): string | null {
  const cells = bias.flatMap(({ layer, byPosition }) =>
    byPosition.flatMap((share, i) => (share === null ? [] : [{ layer, part: i + 1, share }])),
  );
  const ratio = bias[0]?.ratio;
  if (cells.length === 0 || ratio === undefined) return null;
  const around = divergingScale(
    cells.map(({ share }) => share),
    ratio,
    STRONG,
    'puor',
  );
  // a share has ends of its own
  const scale = { ...around, from: Math.max(0, around.from), to: Math.min(1, around.to) };
  const dropped = `R = ${percentNumber(ratio)}%`;
  return plotSvg({
    title: `Where the image tokens lie that are dropped at ${dropped}`,
    note: `Share dropped in each tenth of the image tokens of the prompt. An even ranking drops ${dropped} everywhere: neutral.`,
    yLabel: 'tenths of the image tokens, first to last →',
    height: 30 + 26 * bias.length,
    marginLeft: 64,
    marginRight: 14,
    marginTop: 24,
    marginBottom: 8,
    x: {
      ...{ type: 'band', axis: 'top', label: null, tickSize: 0, padding: 0 },
    },
    y: { type: 'band', label: null, tickSize: 0, padding: 0, tickFormat: (layer: number) => `K = ${layer}` },
    scaleBar: {
      scale,
      label: 'dropped, % of the tokens there',
      format: (share) => `${percentNumber(share)}%`,
      ticks: [scale.from, ratio, scale.to],
    },
    marks: [
      Plot.cell(cells, {
        ...{ x: 'part', y: 'layer', inset: 0.5 },
        fill: (d: { share: number }) => scale.color(d.share),
      }),
      Plot.text(cells, {
        x: 'part',
        y: 'layer',
        text: (d: { share: number }) => `${(100 * d.share).toFixed(0)}%`,
        fill: (d: { share: number }) => inkOn(scale.color(d.share)),
      }),
    ],
  });
}
