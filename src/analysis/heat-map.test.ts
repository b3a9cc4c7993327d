import { describe, expect, it } from 'vitest';
import { point, POINTS } from '../../test/analysis/points.js';
import { channelsOf, strength, Svg } from '../../test/analysis/svg.js';
import type { Point } from '../eval/points.js';
import { heatMap } from './heat-map.js';

/** Cells in which nothing, or the given number of points, is lost. */
function even(difference: number): Point[] {
  return [1, 2].flatMap((k) =>
    [0.5, 0.9].map((r) => ({
      ...point('attention', k, r),
      difference: { estimate: difference / 100, low: 0, high: 0, pValue: 1 },
    })),
  );
}
const draw = (
  points: readonly Point[],
  ...rest: Parameters<typeof heatMap> extends [unknown, ...infer R] ? R : never
): Svg => new Svg(heatMap(points, ...rest) ?? expect.fail('no picture'));

describe('heatMap', () => {
  it('paints no difference neutral, and a small one weak', () => {
    for (const lost of [0, -0.2, 0.2]) {
      const fills = draw(even(lost), 'difference').fills('cell');
      expect(fills).toHaveLength(4);
      for (const fill of fills) expect(strength(fill)).toBeLessThan(20);
    }
    // of many cells too: what loses nothing is neutral beside what loses all
    const fills = draw([...even(-80), ...even(0)], 'difference').fills('cell');
    expect(fills.map(strength).sort((a, b) => a - b)[0]).toBeLessThan(12);
  });

  it('paints losses red and gains blue', () => {
    const [lost = ''] = draw(even(-20), 'difference').fills('cell');
    const [gained = ''] = draw(even(20), 'difference').fills('cell');
    const [red = 0, , blue = 0] = channelsOf(lost);
    expect(red).toBeGreaterThan(blue);
    const [lessRed = 0, , moreBlue = 0] = channelsOf(gained);
    expect(moreBlue).toBeGreaterThan(lessRed);
  });

  it.each(['score', 'difference', 'loyalty', 'flops'] as const)('has a bar for the scale of %s', (value) => {
    const svg = draw(POINTS, value);
    expect(svg.fills('scale bar').length).toBeGreaterThan(50);
    expect(svg.texts('scale numbers')).toContain('0');
    expect(svg.texts('scale label')).toHaveLength(1);
  });

  it('says in the picture what K and R are and how tokens were ranked', () => {
    const svg = draw(POINTS, 'difference', 'random');
    expect(svg.child('title')).toContain('ranked by random');
    expect(svg.child('desc')).toMatch(/K:.*R:/);
    expect(svg.texts()).toContain(svg.child('title'));
  });

  it('orders K and R by number', () => {
    const points = [10, 2].flatMap((k) => [0.9, 0.125].map((r) => point('attention', k, r)));
    const texts = draw(points, 'score').texts();
    const place = (text: string): number => texts.indexOf(text);
    expect(place('K = 2')).toBeGreaterThan(-1);
    expect(place('K = 2')).toBeLessThan(place('K = 10'));
    expect(place('R = 12.5%')).toBeLessThan(place('R = 90%'));
  });
});
