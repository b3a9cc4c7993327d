import { describe, expect, it } from 'vitest';
import { Random } from './random.js';

describe('Random', () => {
  it('gives the same numbers for the same seeds, others for others', () => {
    const draw = (...seeds: number[]): number[] => {
      const random = new Random(...seeds);
      return Array.from({ length: 8 }, () => random.next());
    };
    expect(draw(1, 2, 3)).toEqual(draw(1, 2, 3));
    expect(draw(1, 2, 3)).not.toEqual(draw(1, 3, 2));
    expect(draw(0)).not.toEqual(draw(0, 0));
  });

  it('is pinned: a change of generator would change every scene', () => {
    const random = new Random(1, 2);
    expect([random.next(), random.next(), random.next()]).toMatchInlineSnapshot(`
      [
        3228492734,
        775730168,
        2271713723,
      ]
    `);
  });

  it('draws integers evenly', () => {
    const random = new Random(7);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const k = random.int(7);
      counts[k] = (counts[k] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400); // 4 standard deviations
  });

  it('refuses an empty range', () => {
    expect(() => new Random(1).int(0)).toThrow(RangeError);
    expect(() => new Random(1).pick([])).toThrow(RangeError);
  });

  it('shuffles without loss', () => {
    expect(new Random(3).shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
  });
});
