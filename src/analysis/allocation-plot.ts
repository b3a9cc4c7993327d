/**
 * Mechanism 1: how the attention of output tokens is shared between the parts of the sequence, layer by
 * layer (allocation), and how much of it one token of a part gets (efficiency).
 *
 * Source: FastV (arXiv 2403.06764), section 3 and figure 3.
 */
import * as Plot from '@observablehq/plot';
import { plotSvg } from './plot.js';

/** The parts of a sequence. */
export const PARTS = ['system', 'image', 'instruction', 'output'] as const;
export type Part = (typeof PARTS)[number];

/** Attention that output tokens give to each part in one layer; the parts sum to 1. */
export type LayerAllocation = Readonly<Record<Part, number>>;

const PART_COLORS: Readonly<Record<Part, string>> = {
  system: '#999999',
  image: '#0072b2',
  instruction: '#e69f00',
  output: '#009e73',
};

/** Shares of attention as stacked bars, layer 0 to the left. @returns SVG */
export function allocationPlot(layers: readonly LayerAllocation[]): string {
  const bars = layers.flatMap((allocation, layer) =>
    PARTS.map((part) => ({ layer, part, share: 100 * allocation[part] })),
  );
  return plotSvg({
    width: Math.max(420, 120 + 22 * layers.length),
    height: 320,
    marginLeft: 50,
    marginTop: 58,
    marginBottom: 45,
    x: { type: 'band', label: 'layer', labelAnchor: 'center' },
    y: { label: '↑ attention of output tokens, %', domain: [0, 100], grid: true },
    marks: [
      Plot.barY(
        bars,
        Plot.stackY(
          { order: [...PARTS] },
          { x: 'layer', y: 'share', z: 'part', fill: (d: { part: Part }) => PART_COLORS[d.part] },
        ),
      ),
      ...legend(),
    ],
  });
}

/**
 * Attention per token of a part, relative to an even share, on a logarithmic axis.
 * @param tokens how many tokens each part has
 * @returns SVG
 */
export function efficiencyPlot(
  layers: readonly LayerAllocation[],
  tokens: Readonly<Record<Part, number>>,
): string {
  const total = PARTS.reduce((sum, part) => sum + tokens[part], 0);
  const rows = layers.flatMap((allocation, layer) =>
    PARTS.flatMap((part) => {
      const even = tokens[part] / total;
      return tokens[part] === 0 || allocation[part] <= 0
        ? []
        : [{ layer, part, value: allocation[part] / even }];
    }),
  );
  return plotSvg({
    width: Math.max(420, 120 + 22 * layers.length),
    height: 320,
    marginLeft: 55,
    marginTop: 58,
    marginBottom: 45,
    x: {
      label: 'layer',
      labelAnchor: 'center',
      domain: [0, Math.max(1, layers.length - 1)],
      ticks: layers.length,
      tickFormat: 'd',
    },
    y: { type: 'log', label: '↑ attention per token, 1 = even share', grid: true, tickFormat: '~r' },
    marks: [
      Plot.ruleY([1], { stroke: '#222222', strokeDasharray: '2,3' }),
      Plot.line(rows, {
        x: 'layer',
        y: 'value',
        z: 'part',
        stroke: (d: { part: Part }) => PART_COLORS[d.part],
        strokeWidth: 2,
      }),
      Plot.dot(rows, { x: 'layer', y: 'value', fill: (d: { part: Part }) => PART_COLORS[d.part], r: 3 }),
      ...legend(),
    ],
  });
}

function legend(): Plot.Markish[] {
  return PARTS.map((part, i) =>
    Plot.text([part], {
      frameAnchor: 'top-left',
      dx: 85 * i,
      dy: -18,
      fill: PART_COLORS[part],
      fontWeight: 'bold',
      textAnchor: 'start',
    }),
  );
}
