import { describe, expect, it } from 'vitest';
import { EVIL, POINTS } from '../../test/analysis/points.js';
import { Svg } from '../../test/analysis/svg.js';
import { allocationPlot, efficiencyPlot } from './allocation-plot.js';
import { heatMap } from './heat-map.js';
import { attentionMaps } from './map-plot.js';
import { paretoPlot } from './pareto-plot.js';
import { plotSvg, svgToPng } from './plot.js';
import { positionBiasPlot } from './position-bias-plot.js';
import { tasksPlot } from './tasks-plot.js';

const LAYER = { system: 0.2, image: 0.5, instruction: 0.2, output: 0.1 };
const BIAS = { layer: 1, ratio: 0.5, byPosition: [0.5], byRow: [], byColumn: [] };
const ALL: [string, () => string | null][] = [
  ['pareto', () => paretoPlot(POINTS)],
  ['heat map', () => heatMap(POINTS, 'difference')],
  ['tasks', () => tasksPlot(POINTS, 2)],
  ['allocation', () => allocationPlot([LAYER, LAYER])],
  ['efficiency', () => efficiencyPlot([LAYER, LAYER], { system: 9, image: 9, instruction: 9, output: 1 })],
  ['maps', () => attentionMaps([[1, 2, 3, 4]])],
  ['bias', () => positionBiasPlot([{ ...BIAS, correlation: { position: null, row: null, column: null } }])],
];

describe('plotSvg', () => {
  it.each(ALL)(
    'gives %s a title and a description of its own, shown and for those who cannot see',
    (_, draw) => {
      const svg = new Svg(draw() ?? expect.fail('no picture'));
      expect(svg.root.getAttribute('role')).toBe('img');
      expect(svg.child('title').length).toBeGreaterThan(10);
      expect(svg.texts()).toContain(svg.child('title'));
      const words = svg.texts().join(' ');
      for (const word of svg.child('desc').split(' ')) expect(words).toContain(word);
    },
  );

  it.each(ALL)('gives %s text of the same size as the others', (_, draw) => {
    const svg = new Svg(draw() ?? expect.fail('no picture'));
    const sizes = [svg.root, ...svg.root.querySelectorAll('[font-size]')].map(
      (e) =>
        /font-size:\s*([\d.]+)/.exec(e.getAttribute('style') ?? '') ?? [
          undefined,
          e.getAttribute('font-size'),
        ],
    );
    expect(new Set(sizes.map(([, size]) => Number(size)))).toEqual(new Set([12, 14]));
    expect(svg.root.getAttribute('width')).toBe('760');
  });

  it.each(ALL)('keeps the text of %s inside', (_, draw) => {
    const svg = new Svg(draw() ?? expect.fail('no picture'));
    const height = Number(svg.root.getAttribute('height'));
    for (const text of svg.root.querySelectorAll('text')) {
      const [, x = '', y = ''] =
        /translate\(([\d.-]+),\s*([\d.-]+)\)/.exec(text.getAttribute('transform') ?? '') ?? [];
      expect(Number(x)).toBeGreaterThanOrEqual(0);
      expect(Number(x)).toBeLessThan(760);
      expect(Number(y)).toBeGreaterThanOrEqual(0);
      expect(Number(y)).toBeLessThan(height);
    }
  });

  it('obeys no name and can be drawn whatever it is', async () => {
    const svg = plotSvg({
      title: EVIL,
      note: EVIL,
      yLabel: EVIL,
      height: 60,
      key: [{ text: EVIL, color: '#000000' }],
      marks: [],
    });
    expect(svg).not.toMatch(/<script|<img|\u0000/);
    expect((await svgToPng(svg)).subarray(1, 4).toString()).toBe('PNG');
    // a name that is also a word of SVG stays what it is
    expect(plotSvg({ title: 'currentColor', note: '', height: 60, marks: [] })).toContain(
      '>currentColor</title>',
    );
  });
});
