import { describe, expect, it } from 'vitest';
import { findStrategy, strategies } from './index.js';
import type { StageContext } from './strategy.js';

/** A context whose answers are their own names. */
const context = {
  lastRowAttention: () => 'attention',
  callerScores: () => 'scores',
} as unknown as StageContext;

describe('strategies', () => {
  it('have names of their own and a line for --help', () => {
    expect(new Set(strategies.map(({ name }) => name)).size).toBe(strategies.length);
    for (const { description } of strategies) expect(description).toMatch(/^[^\n]{10,120}$/);
  });

  it('are found by name', () => {
    for (const strategy of strategies) expect(findStrategy(strategy.name)).toBe(strategy);
  });

  it.each(['', 'Attention', 'constructor'])('%j is refused, naming those that there are', (name) => {
    expect(() => findStrategy(name)).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        where: '--strategy',
        hint: `Choose among ${strategies.map((s) => s.name).join(', ')}.`,
      }),
    );
  });

  it('attention ranks by the last token’s attention and needs a layer', () => {
    expect(findStrategy('attention').score(context)).toBe('attention');
    expect(findStrategy('attention')).toMatchObject({ needsLayer: true, needsScores: false });
  });

  it('external ranks by the caller’s scores and needs none', () => {
    expect(findStrategy('external').score(context)).toBe('scores');
    expect(findStrategy('external')).toMatchObject({ needsLayer: false, needsScores: true });
  });
});
