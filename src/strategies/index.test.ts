import { describe, expect, it } from 'vitest';
import {
  findStrategy,
  graphStrategy,
  isListed,
  isSeeded,
  needsLayer,
  strategies,
  type StageContext,
  type Strategy,
} from './index.js';

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
    expect(graphStrategy('attention').score(context)).toBe('attention');
    expect(findStrategy('attention')).toMatchObject({ needsLayer: true, needsScores: false });
  });

  it('external ranks by the caller’s scores and needs none', () => {
    expect(graphStrategy('external').score(context)).toBe('scores');
    expect(findStrategy('external')).toMatchObject({ needsLayer: false, needsScores: true });
  });

  it('that rank outside the graph are external inside it', () => {
    for (const { name, where } of strategies)
      expect(graphStrategy(name).name).toBe(where === 'caller' ? 'external' : name);
  });

  it('say whether they need a layer, and whether they draw', () => {
    expect(strategies.filter((one) => !needsLayer(one)).map(({ name }) => name)).toEqual(['random', 'grid']);
    expect(strategies.filter(isSeeded).map(({ name }) => name)).toEqual(['random']);
  });

  it('of a caller are taken as they are', () => {
    const own: Strategy = {
      where: 'caller',
      name: 'attention',
      description: 'the first tokens, under a name that is taken',
      scores: ({ length }) => Float32Array.from({ length }, (_, i) => -i),
    };
    expect(findStrategy(own)).toBe(own);
    expect(isListed(own)).toBe(false);
    expect(isListed(findStrategy('attention'))).toBe(true);
  });

  it.each([
    null,
    undefined,
    3,
    {},
    { where: 'graph', name: 'x' },
    { where: 'caller', name: 'x', score: String },
  ])('refuses %j for one', (given) => {
    expect(() => findStrategy(given as unknown as Strategy, 'strategy')).toThrow(
      expect.objectContaining({ code: 'invalid-option', where: 'strategy' }),
    );
  });
});
