import { strategies } from '../strategies/index.js';
import { describe, expect, it } from 'vitest';
import { contrast, curveStyle, darker, GROUND, INK, inkOn, MUTED, PART_STYLES, shapeAt } from './theme.js';

const KINDS = ['unpruned', 'downsample', ...strategies.map(({ name }) => name)];

describe('theme', () => {
  it('draws no two strategies alike, in colour or in black and white', () => {
    expect(new Set(KINDS.map((kind) => curveStyle(kind).color)).size).toBe(KINDS.length);
    const drawn = KINDS.filter((kind) => kind !== 'unpruned').map((kind) => curveStyle(kind).dash);
    expect(new Set(drawn).size).toBe(drawn.length);
    const parts = Object.values(PART_STYLES);
    expect(new Set(parts.map(({ shape }) => shape.symbol)).size).toBe(parts.length);
    expect(new Set(parts.map(({ dash }) => dash)).size).toBe(parts.length);
  });

  it('can be seen on white: 3 for curves, 4.5 for text', () => {
    for (const kind of KINDS) expect(contrast(curveStyle(kind).color, GROUND)).toBeGreaterThan(3);
    for (const color of [INK, MUTED]) expect(contrast(color, GROUND)).toBeGreaterThan(4.5);
  });

  it('has a shape of its own for each of fourteen K', () => {
    const shapes = Array.from({ length: 14 }, (_, i) => JSON.stringify(shapeAt(i)));
    expect(new Set(shapes).size).toBe(14);
  });

  it('writes on any ground so that it can be read', () => {
    // the worst ground there is for the better of the two
    for (let grey = 0; grey < 256; grey++) {
      const ground = `rgb(${grey}, ${grey}, ${grey})`;
      expect(contrast(inkOn(ground), ground)).toBeGreaterThan(4.5);
    }
    expect(inkOn('#0072b2')).toBe(GROUND);
    expect(inkOn('#f7f7f7')).toBe('#000000');
  });

  it('knows contrasts', () => {
    expect(contrast('#000000', '#ffffff')).toBe(21);
    expect(contrast('#777777', 'rgb(119, 119, 119)')).toBe(1);
    expect(() => contrast('red', '#ffffff')).toThrow(RangeError);
    expect(darker('#80ff00', 0.5)).toBe('#408000');
  });
});
