import { describe, expect, it } from 'vitest';
import { settingsOf } from './named-settings.js';
import { checkCall } from './options.js';

describe('settingsOf', () => {
  it("has the paper's choice as default", () => {
    expect(settingsOf({})).toEqual({ layers: [2], strategy: 'attention', call: { ratio: 0.5 } });
  });
  it.each([
    [{ layer: -1 }, 'layer'],
    [{ layer: 1.5 }, 'layer'],
    [{ layer: [4, 2] }, 'layer'],
    [{ layer: [] }, 'layer'],
    [{ layer: 0 }, 'layer'],
    [{ ratio: 1.5 }, 'ratio'],
    [{ ratio: Number.NaN }, 'ratio'],
    [{ ratio: '0.5' as unknown as number }, 'ratio'],
    [{ layer: [2, 4], ratio: [0.5, 0.5, 0.5] }, 'ratio'],
    [{ budget: -1 }, 'budget'],
    [{ ratio: 0.5, budget: 3 }, 'budget'],
    [{ seed: 0.5 }, 'seed'],
    [{ seed: [1, 0.5] }, 'seed'],
    [{ strategy: 'magic' as 'grid' }, 'strategy'],
    [{ strategy: 'external' as 'grid' }, 'strategy'],
    [{ strategy: {} as 'grid' }, 'strategy'],
    [{ layer: 0, strategy: 'key-norm' as const }, 'layer'],
    [{ weights: 'size' as 'sizes' }, 'weights'],
    [{ merge: null as unknown as 'mean' }, 'merge'],
    [{ preset: 'size' as 'sizes' }, 'preset'],
  ])('refuses %j', (options, where) => {
    expect(() => settingsOf(options)).toThrow(expect.objectContaining({ code: 'invalid-option', where }));
  });
  it('has presets, whose parts give way to what is said besides', () => {
    const parts = { strategy: 'scope', weights: 'sizes', merge: 'mean' };
    expect(settingsOf({ preset: 'sizes', ratio: 0.9 })).toMatchObject(parts);
    expect(settingsOf({ preset: 'sizes', strategy: 'mmr' })).toMatchObject({ ...parts, strategy: 'mmr' });
    expect(settingsOf({ weights: 'sizes' })).toMatchObject({ strategy: 'attention', weights: 'sizes' });
  });
  it('allows K = 0 to strategies that need no attention', () => {
    expect(settingsOf({ layer: 0, strategy: 'grid' }).layers).toEqual([0]);
  });
});

describe('checkCall', () => {
  it('takes what is known and leaves the rest', () => {
    expect(checkCall({ ratio: 0.25, other: 1 } as { ratio: number })).toEqual({ ratio: 0.25 });
  });
});
