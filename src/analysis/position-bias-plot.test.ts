import { describe, expect, it } from 'vitest';
import { channelsOf, strength, Svg } from '../../test/analysis/svg.js';
import type { PositionBias } from './position-bias.js';
import { positionBiasPlot } from './position-bias-plot.js';
import { contrast } from './theme.js';

const bias = (ratio: number, byPosition: readonly number[]): PositionBias => ({
  ...{ layer: 1, ratio, byPosition, byRow: [], byColumn: [] },
  correlation: { position: null, row: null, column: null },
});
const draw = (...all: readonly PositionBias[]): Svg =>
  new Svg(positionBiasPlot(all) ?? expect.fail('no picture'));

describe('positionBiasPlot', () => {
  it.each([0.25, 0.5, 0.9])('is neutral at R = %d, and parts what is above from what is below', (ratio) => {
    const [even = '', more = '', less = ''] = draw(bias(ratio, [ratio, ratio + 0.1, ratio - 0.1])).fills(
      'cell',
    );
    expect(strength(even)).toBeLessThan(12);
    const [r1 = 0, , b1 = 0] = channelsOf(more);
    const [r2 = 0, , b2 = 0] = channelsOf(less);
    expect(r1).toBeGreaterThan(b1);
    expect(b2).toBeGreaterThan(r2);
  });

  it('has a bar with R on it, that ends where shares end', () => {
    expect(draw(bias(0.5, [0.45, 0.6])).texts('scale numbers')).toEqual(['30%', '50%', '70%']);
    expect(draw(bias(0.9, [1, 0.5])).texts('scale numbers')).toEqual(['50%', '90%', '100%']);
  });

  it('writes numbers that can be read on every ground', () => {
    const svg = draw(
      bias(
        0.5,
        Array.from({ length: 10 }, (_, i) => i / 9),
      ),
    );
    const fills = svg.fills('cell');
    const inks = svg
      .groups('text')
      .flatMap((g) => [...g.querySelectorAll('text')])
      .filter((t) => t.textContent.endsWith('%') && t.hasAttribute('fill'))
      .map((t) => t.getAttribute('fill') ?? '');
    expect(inks).toHaveLength(10);
    inks.forEach((ink, i) => {
      expect(contrast(ink, fills[i] ?? '')).toBeGreaterThan(4.5);
    });
  });
});
