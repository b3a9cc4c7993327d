import { describe, expect, it } from 'vitest';
import {
  paperLayerCost,
  paperMeanCostOfLayers,
  paperMeanLayerCost,
  paperMeanLayerCostOfStages,
  paperReduction,
} from './paper.js';

// Table 1 of arXiv 2403.06764 v3: 36 text and 576 image tokens, mean cost of a layer in 10⁹.
const tokens = { text: 36, image: 576 };
const shape7B = { layers: 32, hidden: 4096, mlp: 11008 };
const shape13B = { layers: 40, hidden: 5120, mlp: 13824 };

type Row = readonly [layer: number, percent: number, printed: number];
const table7B: readonly Row[] = [
  [2, 90, 19.9],
  [2, 75, 32.8],
  [2, 50, 54.6],
  [3, 90, 22.8],
  [3, 75, 34.8],
  [3, 50, 56.6],
  [5, 90, 27.8],
  [5, 75, 39.7],
  [5, 50, 59.6],
  [0, 75, 28.8],
  [0, 50, 51.6],
];
const table13B: readonly Row[] = [
  [2, 90, 29.7],
  [2, 75, 50.2],
  [2, 50, 84.6],
  [3, 90, 33.0],
  [3, 75, 52.9],
  [3, 50, 86.4],
  [5, 90, 39.6],
  [5, 75, 58.4],
  [5, 50, 90.1],
];
/** The one cell that the formula doesn't give: 7B, K=0, R=90%. Text alone would cost 5.6, all tokens 99.3. */
const outlier: Row = [0, 90, 18.9];

const billions = (shape: typeof shape7B, [layer, percent]: Row): number =>
  paperMeanLayerCost(shape, tokens, { layer, ratio: percent / 100 }) / 1e9;
/** As the paper prints: one digit after the point. */
const printed = (value: number): number => Math.round(value * 10) / 10;

describe('the paper’s Table 1', () => {
  it('gives the unpruned cost of a layer', () => {
    expect(printed(paperLayerCost(612, shape7B) / 1e9)).toBe(99.3);
    expect(printed(paperLayerCost(612, shape13B) / 1e9)).toBe(154.6);
  });

  it.each(table13B)('13B, K=%i, R=%i%%: %f exactly as printed', (...row) => {
    expect(printed(billions(shape13B, row))).toBe(row[2]);
  });

  it.each(table7B)('7B, K=%i, R=%i%%: %f within 0.4', (...row) => {
    expect(Math.abs(printed(billions(shape7B, row)) - row[2])).toBeLessThanOrEqual(0.4 + 1e-9);
  });

  it('names the outlier: 7B, K=0, R=90% prints 18.9 where the formula gives 14.8 (14.9 with whole tokens)', () => {
    expect(printed(billions(shape7B, outlier))).toBe(14.8);
    expect(printed(paperLayerCost(36 + 58, shape7B) / 1e9)).toBe(14.9);
    expect(outlier[2]).toBe(18.9);
  });

  it.each([
    [2, 90, 20],
    [2, 75, 33],
    [2, 50, 55],
    [3, 50, 57],
    [5, 50, 60],
  ])('7B, K=%i, R=%i%%: %i%% of the cost is left', (layer, percent, left) => {
    const reduction = paperReduction(shape7B, tokens, { layer, ratio: percent / 100 });
    expect(Math.round(100 * (1 - reduction))).toBe(left);
  });
});

describe('paperReduction', () => {
  it('is nothing at R=0 and grows with R', () => {
    const at = (ratio: number): number => paperReduction(shape7B, tokens, { layer: 2, ratio });
    expect(at(0)).toBe(0);
    expect(at(0.5)).toBeGreaterThan(0);
    expect(at(0.9)).toBeGreaterThan(at(0.5));
  });
});

describe('paperMeanLayerCostOfStages', () => {
  it('is the paper’s mean for one stage', () => {
    const stage = { layer: 2, ratio: 0.5 };
    expect(paperMeanLayerCostOfStages(shape7B, tokens, [stage])).toBeCloseTo(
      paperMeanLayerCost(shape7B, tokens, stage),
      -2,
    );
  });

  it('takes a second stage from what the first left', () => {
    const stages = [
      { layer: 2, ratio: 0.5 },
      { layer: 16, ratio: 0.5 },
    ];
    const c = (image: number): number => paperLayerCost(36 + image, shape7B);
    const mean = (2 * c(576) + 14 * c(288) + 16 * c(144)) / 32;
    expect(paperMeanLayerCostOfStages(shape7B, tokens, stages)).toBeCloseTo(mean, -2);
  });
});

describe('paperMeanCostOfLayers', () => {
  it('is the paper’s mean where a stage left so many', () => {
    const layers = Array.from({ length: 32 }, (_, layer) => 36 + (layer < 2 ? 576 : 288));
    expect(paperMeanCostOfLayers(shape7B, layers)).toBeCloseTo(
      paperMeanLayerCost(shape7B, tokens, { layer: 2, ratio: 0.5 }),
      -2,
    );
  });
});
