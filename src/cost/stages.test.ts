import { describe, expect, it } from 'vitest';
import { FastvError } from '../errors.js';
import { checkStages, keptTokens, tokensOfLayers } from './stages.js';

describe('keptTokens', () => {
  it.each([
    [576, 0, 576],
    [576, 0.5, 288],
    [576, 0.75, 144],
    [576, 0.9, 58],
    [576, 1, 0],
    [5, 0.5, 2],
    [7, 0.5, 4],
    [1, 0.5, 0],
    [0, 0.5, 0],
    [5, 0.3, 4],
    [5, Math.fround(0.3), 4],
    [15, Math.fround(0.9), 1],
    [25, 0.9, 2],
  ])('of %i at R=%f keeps %i (half to even)', (image, ratio, kept) => {
    expect(keptTokens(image, ratio)).toBe(kept);
  });
});

describe('tokensOfLayers', () => {
  const tokens = { text: 10, image: 100 };

  it('drops at K and not before', () => {
    const layers = tokensOfLayers(4, tokens, [{ layer: 2, ratio: 0.5 }]);
    expect(layers.map((l) => l.total)).toEqual([110, 110, 60, 60]);
    expect(layers.map((l) => l.image)).toEqual([100, 100, 50, 50]);
  });

  it('takes a later stage from what an earlier one left', () => {
    const stages = [
      { layer: 1, ratio: 0.5 },
      { layer: 3, ratio: 0.5 },
    ];
    expect(tokensOfLayers(4, tokens, stages).map((l) => l.image)).toEqual([100, 50, 50, 25]);
  });

  it('at K=0 drops before the first layer', () => {
    expect(tokensOfLayers(2, tokens, [{ layer: 0, ratio: 1 }]).map((l) => l.total)).toEqual([10, 10]);
  });
});

describe('checkStages', () => {
  it.each([
    [[{ layer: 4, ratio: 0.5 }], /decoder has 4/],
    [[{ layer: -1, ratio: 0.5 }], /no layer/],
    [[{ layer: 1.5, ratio: 0.5 }], /no layer/],
    [[{ layer: 1, ratio: 1.01 }], /no share/],
    [[{ layer: 1, ratio: -0.1 }], /no share/],
    [[{ layer: 1, ratio: Number.NaN }], /no share/],
    [
      [
        { layer: 2, ratio: 0.5 },
        { layer: 2, ratio: 0.5 },
      ],
      /ascending/,
    ],
  ])('refuses %j', (stages, message) => {
    expect(() => {
      checkStages(stages, 4);
    }).toThrow(FastvError);
    expect(() => {
      checkStages(stages, 4);
    }).toThrow(message);
  });

  it('takes K=0 and K=layers−1', () => {
    checkStages([{ layer: 0, ratio: 0 }], 4);
    checkStages([{ layer: 3, ratio: 1 }], 4);
  });
});
