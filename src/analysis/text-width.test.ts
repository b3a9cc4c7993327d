import { describe, expect, it } from 'vitest';
import { fitText, textWidth, wrapText } from './text-width.js';

describe('text without a font', () => {
  it('is cut to what fits', () => {
    expect(fitText('short', 100)).toBe('short');
    const cut = fitText('x'.repeat(10_000), 100);
    expect(cut).toMatch(/^x+…$/);
    expect(textWidth(cut)).toBeLessThanOrEqual(100);
    // no half of a pair
    expect(fitText('🙂'.repeat(20), 40)).toMatch(/^(🙂)+…$/u);
  });

  it('is broken between words only', () => {
    const lines = wrapText('one two three four five', 80);
    expect(lines.join(' ')).toBe('one two three four five');
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(80);
    expect(wrapText(`a ${'x'.repeat(50)} b`, 80)).toHaveLength(3);
  });
});
