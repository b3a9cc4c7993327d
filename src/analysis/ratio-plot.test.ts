import { describe, expect, it } from 'vitest';
import { Svg } from '../../test/analysis/svg.js';
import { ratioPlot, type RuleScore } from './ratio-plot.js';

const at = (rule: string, ratio: number, score: number): RuleScore => ({
  rule,
  ratio,
  score,
  halfInterval: 2,
});

describe('ratioPlot', () => {
  const rows = [
    at('scope+sizes+mean', 0.5, 91),
    at('scope+sizes+mean', 0.9, 90),
    at('attention', 0.9, 72),
    at('attention', 0.5, 91),
    at('scope', 0.5, 90),
  ];

  it('has a curve with its intervals for each rule, and names those that go to the end', () => {
    const svg = new Svg(ratioPlot(rows, 92.5, 'a model, K = 2'));
    expect(svg.texts('curve')).toEqual(['attention', 'scope+sizes+mean', 'unpruned']);
    expect(svg.child('desc')).toContain('a model, K = 2');
    expect(svg.texts()).toEqual(expect.arrayContaining(['50 %', '90 %']));
  });

  it('can be drawn of nothing', () => {
    expect(new Svg(ratioPlot([], 92.5, 'none')).texts('curve')).toEqual([]);
  });
});
