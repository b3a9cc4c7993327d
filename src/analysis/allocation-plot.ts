/**
 * Mechanism 1: how the attention of output tokens is shared between the parts of the sequence, layer by
 * layer (allocation), and how much of it one token of a part gets (efficiency).
 *
 * Source: FastV (arXiv 2403.06764), section 3 and figure 3.
 */
import * as Plot from '@observablehq/plot';
import { curveMarks } from './curves.js';
import { endLabels } from './end-labels.js';
import { plotSvg, type Picture } from './plot.js';
import { MUTED, PART_STYLES, WIDTH, type Shape } from './theme.js';

/** The parts of a sequence. */
export const PARTS = ['system', 'image', 'instruction', 'output'] as const;
export type Part = (typeof PARTS)[number];

/** Attention that output tokens give to each part in one layer; the parts sum to 1. */
export type LayerAllocation = Readonly<Record<Part, number>>;

/** What both plots have alike. */
const FRAME = {
  ...{ height: 280, marginLeft: 50, marginRight: 120, marginTop: 12, marginBottom: 46 },
} satisfies Partial<Picture>;
const BAR: Shape = { symbol: 'square', hollow: false };
/** Between labels, in pixels. */
const LABEL = 16;

/** Shares of attention as stacked bars, layer 0 to the left. @returns SVG */
export function allocationPlot(layers: readonly LayerAllocation[]): string {
  const bars = layers.flatMap((allocation, layer) =>
    PARTS.map((part) => ({ layer, part, share: 100 * allocation[part] })),
  );
  const last = layers.at(-1);
  const frame = FRAME.height - FRAME.marginTop - FRAME.marginBottom;
  const halfBar = (WIDTH - FRAME.marginLeft - FRAME.marginRight) / Math.max(1, layers.length) / 2;
  let below = 0;
  const labels = PARTS.flatMap((part) => {
    const share = 100 * (last?.[part] ?? 0);
    const y = below + share / 2;
    below += share;
    return last === undefined
      ? []
      : [{ text: part, x: layers.length - 1, y, color: PART_STYLES[part].color, shape: BAR }];
  });
  return plotSvg({
    ...FRAME,
    title: 'Where the attention of output tokens goes, layer by layer',
    note: 'Mean shares of the parts of the sequence. System: all before the image; instruction: what follows it in the prompt.',
    x: { type: 'band', label: 'layer', labelAnchor: 'center' },
    yLabel: '↑ attention of output tokens, %',
    y: { label: null, domain: [0, 100], grid: true },
    marks: [
      Plot.barY(
        bars,
        Plot.stackY(
          { order: [...PARTS] },
          {
            ...{ x: 'layer', y: 'share', z: 'part', insetTop: 0.5, insetBottom: 0.5 },
            fill: (d: { part: Part }) => PART_STYLES[d.part].color,
          },
        ),
      ),
      ...endLabels(labels, layers.length - 1, (100 * LABEL) / frame, halfBar),
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
  const curves = PARTS.flatMap((part) => {
    const even = tokens[part] / total;
    const points = layers.flatMap((allocation, layer) =>
      tokens[part] === 0 || allocation[part] <= 0
        ? []
        : [{ x: layer, y: allocation[part] / even, low: null, high: null }],
    );
    return points.length === 0 ? [] : [{ part, points, ...PART_STYLES[part] }];
  });
  return plotSvg({
    ...FRAME,
    title: 'How much attention one token of each part gets',
    note: 'Relative to an even share over all tokens, on a logarithmic axis: 1 is even, 0.1 a tenth of it.',
    key: curves.map(({ part, color, dash, shape }) => ({ text: part, color, dash, shape })),
    x: {
      label: 'layer',
      labelArrow: 'none',
      labelAnchor: 'center',
      domain: [0, Math.max(1, layers.length - 1)],
      ticks: layers.length,
      tickFormat: 'd',
    },
    yLabel: '↑ attention per token, 1 = even share',
    y: { type: 'log', label: null, nice: true, grid: true, tickFormat: '~r' },
    marks: [Plot.ruleY([1], { stroke: MUTED, strokeDasharray: '2,3' }), ...curves.flatMap(curveMarks)],
  });
}
