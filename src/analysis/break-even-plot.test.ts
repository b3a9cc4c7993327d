import { describe, expect, it } from 'vitest';
import { Svg } from '../../test/analysis/svg.js';
import { breakEvenPlot } from './break-even-plot.js';

const row = (strategy: string, imageTokens: number, selectorMs: number, ratio = 0.9): object => ({
  ...{ strategy, imageTokens, selectorMs, ratio, prefillMs: 1000, prunedMs: 300 },
});

describe('breakEvenPlot', () => {
  const rows = [
    row('attention', 100, 1),
    row('attention', 576, 2),
    row('scope', 100, 10),
    row('scope', 576, 900),
    row('mmr', 100, 10, 0.5),
  ] as unknown as Parameters<typeof breakEvenPlot>[0];

  it('has a curve and a name for what is saved and for each strategy of that R, in powers of ten', () => {
    const svg = new Svg(breakEvenPlot(rows, 0.9, 'LLaVA-1.5-7B'));
    expect(svg.texts('curve')).toEqual(['saved by pruning', 'attention', 'scope']);
    expect(svg.child('title')).toContain('R = 90 %');
    expect(svg.child('desc')).toContain('LLaVA-1.5-7B');
    expect(svg.texts()).toEqual(expect.arrayContaining(['1', '10', '100', '1,000', '576']));
  });

  it('can be drawn of nothing', () => {
    expect(new Svg(breakEvenPlot([], 0.9, 'none')).texts('curve')).toEqual([]);
  });
});
