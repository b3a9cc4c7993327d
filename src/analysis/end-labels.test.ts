import { expect, it } from 'vitest';
import { Svg } from '../../test/analysis/svg.js';
import { labelRoom } from './end-labels.js';
import { ratioPlot } from './ratio-plot.js';
import { textWidth } from './text-width.js';
import { WIDTH } from './theme.js';

it('gives the longest name the room that it needs, and short ones the least', () => {
  expect(labelRoom(['mmr', 'dpp'], 170)).toBe(170);
  const long = 'attention-diversity+sizes+mean@144px, K = 2';
  expect(labelRoom(['mmr', long], 170)).toBeGreaterThan(textWidth(long));
});

it('leaves no name of a curve outside of the picture', () => {
  const rule = 'attention-diversity+sizes+mean@144px, of a name that is long';
  const rows = [0.5, 0.9].map((ratio) => ({ rule, ratio, score: 80, halfInterval: 1 }));
  const svg = new Svg(ratioPlot(rows, 90, 'a model'));
  const [group] = svg.groups('curve');
  const moved = Number(/translate\(([\d.]+)/u.exec(group?.getAttribute('transform') ?? '')?.[1] ?? 0);
  const ends = [...(group?.querySelectorAll('text') ?? [])].map((text) => {
    const at = Number(/translate\(([\d.]+)/u.exec(text.getAttribute('transform') ?? '')?.[1]);
    return moved + at + textWidth(text.textContent);
  });
  expect(ends).toHaveLength(2);
  for (const end of ends) expect(end).toBeLessThanOrEqual(WIDTH);
});
