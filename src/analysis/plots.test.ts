import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { point, POINTS as points } from '../../test/analysis/points.js';
import { allocationPlot, efficiencyPlot, type LayerAllocation } from './allocation-plot.js';
import { heatMap } from './heat-map.js';
import { paretoPlot } from './pareto-plot.js';
import { spreadLabels, svgToPng } from './plot.js';
import { tasksPlot } from './tasks-plot.js';

/** A folder to look at the plots in: FASTV_PLOTS=/some/folder npx vitest run src/analysis */
const look = process.env['FASTV_PLOTS'];
async function show(name: string, svg: string): Promise<void> {
  const png = await svgToPng(svg);
  expect((await sharp(png).metadata()).width).toBeGreaterThan(300);
  if (look !== undefined) writeFileSync(join(look, `${name}.png`), png);
}

const LAYERS: LayerAllocation[] = Array.from({ length: 10 }, (_, i) => {
  const image = 0.05 + 0.5 * Math.exp(-i / 1.5);
  const rest = 1 - image;
  return { system: 0.6 * rest, image, instruction: 0.25 * rest, output: 0.15 * rest };
});

describe('plots', () => {
  it.each([
    ['pareto', () => paretoPlot(points)],
    ['heat-difference', () => heatMap(points, 'difference')],
    ['heat-score', () => heatMap(points, 'score')],
    ['heat-flops', () => heatMap(points, 'flops')],
    ['tasks', () => tasksPlot(points, 2)],
    ['allocation', () => allocationPlot(LAYERS)],
    ['efficiency', () => efficiencyPlot(LAYERS, { system: 40, image: 144, instruction: 12, output: 4 })],
  ] as [string, () => string | null][])('%s is one SVG that can be drawn', async (name, draw) => {
    const svg = draw() ?? expect.fail(name);
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).not.toMatch(/NaN|undefined|<script|href/);
    expect(svg).toBe(draw());
    await show(name, svg);
  });

  it('says null where there is nothing to show', () => {
    expect(heatMap(points.slice(0, 1), 'score')).toBeNull();
    expect(heatMap(points, 'score', 'random')).not.toBeNull();
    expect(tasksPlot([], 2)).toBeNull();
    expect(() => paretoPlot([])).not.toThrow();
  });

  it('escapes what data say', () => {
    const evil = '<script>alert(1)</script>&"';
    const one = { ...point('attention', 2, 0.5), byTask: { [evil]: 0.5 } };
    const svg = tasksPlot([one], 2) ?? '';
    expect(svg).not.toContain('<script');
    expect(svg).toContain('&lt;script');
  });
});

describe('spreadLabels', () => {
  it('moves labels apart and keeps their order', () => {
    expect(spreadLabels([0, 10, 20], 5)).toEqual([0, 10, 20]);
    expect(spreadLabels([10, 10, 10], 4)).toEqual([6, 10, 14]);
    const spread = spreadLabels([5, 5.5, 9, 30, 6], 3);
    const sorted = [...spread].sort((a, b) => a - b);
    sorted.slice(1).forEach((v, i) => {
      expect(v - (sorted[i] ?? 0)).toBeGreaterThanOrEqual(3 - 1e-9);
    });
    expect(spreadLabels([], 3)).toEqual([]);
  });
});
