import { describe, expect, it } from 'vitest';
import type { Engine } from './engine/engine.js';
import { requestPruning } from './prepare.js';

describe('requestPruning', () => {
  const engine = (...layer: number[]): Engine =>
    ({ model: { fastv: { active: true, layer, strategy: 'attention' } } }) as unknown as Engine;
  /** As of a server that was started with two stages. */
  const auto = { ratio: [0.5, 0.5] };

  it('takes one share at any layers, whatever shares the server was started with', () => {
    expect(requestPruning({ layer: 3, ratio: 0.75 }, engine(3), auto).forced).toEqual({ ratio: 0.75 });
    expect(requestPruning({ layer: 3, budget: 16 }, engine(3), auto).forced).toEqual({ budget: 16 });
  });

  it('refuses shares that are more or fewer than the layers, the request’s or the server’s', () => {
    const refused = expect.objectContaining({ param: 'fastv.ratio' }) as Error;
    expect(() => requestPruning({ ratio: [0.5, 0.5] }, engine(3), {})).toThrow(refused);
    expect(() => requestPruning({ layer: 3 }, engine(3), auto)).toThrow('2 ratios for 1 layers');
    expect(requestPruning({ ratio: [0.5, 0.9] }, engine(2, 8), auto).forced).toEqual({ ratio: [0.5, 0.9] });
  });
});
