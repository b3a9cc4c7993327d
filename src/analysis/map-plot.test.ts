import { describe, expect, it } from 'vitest';
import { Svg } from '../../test/analysis/svg.js';
import { attentionMaps } from './map-plot.js';

const draw = (maps: readonly (readonly number[])[]): Svg =>
  new Svg(attentionMaps(maps) ?? expect.fail('no picture'));
const EVEN = [0.1, 0.1, 0.1, 0.1];

describe('attentionMaps', () => {
  it('says what is shown, and that layers share a scale, of which it has a bar', () => {
    const svg = draw([EVEN, [0.05, 0.05, 0.05, 0.2]]);
    expect(svg.child('desc')).toMatch(/relative to the layer’s own mean.*share one scale/);
    expect(svg.fills('scale bar').length).toBeGreaterThan(50);
    expect(svg.texts('scale numbers')).toContain('1');
    expect(svg.texts('scale label')[0]).toContain('1 = even');
  });

  it('gives equal shares of a layer one colour, whatever the layer has in all', () => {
    const [first, ...others] = draw([EVEN, EVEN.map((v) => v / 100)]).fills('cell');
    expect(others).toHaveLength(7);
    for (const fill of others) expect(fill).toBe(first);
    // and a layer that differs little is not stretched to look as if it differed much
    const [a, , , d] = draw([
      [0.1, 0.1, 0.1, 0.1001],
      [0.1, 0.1, 0.1, 0.9],
    ]).fills('cell');
    expect(a).toBe(d);
  });

  it('does not let one token darken all others', () => {
    const spike = Array.from({ length: 2500 }, (_, i) => (i === 7 ? 1 : 1e-4));
    const svg = draw([spike.map((_, i) => 1 + (i % 10) / 10), spike]);
    expect(svg.texts('scale numbers').at(-1)).toMatch(/^≥ [\d.]+$/);
  });

  it('has nothing to show of tokens that are no square, or of none', () => {
    expect(attentionMaps([[1, 2, 3]])).toBeNull();
    expect(attentionMaps([])).toBeNull();
    expect(attentionMaps([[0, 0, 0, 0]])).not.toMatch(/NaN/);
  });
});
