import { describe, expect, it } from 'vitest';
import { interleaved, speedup, timing } from './timing.js';

describe('interleaved', () => {
  it('warms each variant up once, then takes turns forwards and backwards', async () => {
    const order: string[] = [];
    const progress: string[] = [];
    const variant = (name: string): { name: string; run: () => Promise<unknown> } => ({
      name,
      run: () => Promise.resolve(order.push(name)),
    });
    const timings = await interleaved([variant('a'), variant('b')], 2, (done, all) =>
      progress.push(`${done}/${all}`),
    );
    expect(order.join('')).toBe('ababba');
    expect(progress).toEqual(['1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
    expect([...timings.keys()]).toEqual(['a', 'b']);
    expect(timings.get('b')?.cpu.runs).toHaveLength(2);
  });
});

describe('timing', () => {
  it('gives the middle run, or the mean of the two in the middle', () => {
    expect(timing([3, 1, 2])).toMatchObject({ median: 2, fastest: 1, slowest: 3 });
    expect(timing([4, 1, 2, 3]).median).toBe(2.5);
  });

  it('compares runs of the same round', () => {
    // a busy machine doubles both in the last round: the ratio stays
    expect(speedup(timing([10, 10, 20]), timing([5, 5, 10]))).toBe(2);
  });
});
