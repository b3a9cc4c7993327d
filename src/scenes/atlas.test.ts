import { describe, expect, it } from 'vitest';
import { FastvError } from '../errors.js';
import { loadAtlas } from './atlas.js';

const atlas = loadAtlas();

describe('the atlas', () => {
  it('has about a hundred classes, each one word, at every size', () => {
    expect(atlas.classes.length).toBeGreaterThanOrEqual(90);
    expect(new Set(atlas.classes).size).toBe(atlas.classes.length);
    for (const name of atlas.classes) {
      expect(name).toMatch(/^[a-z]+$/);
      for (const size of atlas.spriteSizes) {
        const { width, height, pixels } = atlas.sprite(name, size);
        expect(Math.max(width, height)).toBe(size);
        expect(pixels.length).toBe(4 * width * height);
        expect(pixels.some((v, i) => i % 4 === 3 && v > 200)).toBe(true);
      }
    }
  });

  it('has glyphs that differ from each other at every size', () => {
    for (const size of atlas.glyphSizes) {
      const { width, height, alpha } = atlas.glyphs(size);
      const shapes = [...alpha.values()];
      for (const shape of shapes) expect(shape.length).toBe(width * height);
      expect(new Set(shapes.map((s) => s.join())).size).toBe(atlas.characters.length);
    }
  });

  it('says what it lacks', () => {
    expect(() => atlas.sprite('unicorn', 24)).toThrow(FastvError);
    expect(() => atlas.glyphs(7)).toThrow(/7 pixels/);
  });
});
