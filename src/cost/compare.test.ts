import { describe, expect, it } from 'vitest';
import { compareCost } from './compare.js';
import { knownModel } from './models.js';

const { shape } = knownModel('llava-1.5-7b');
const tokens = { text: 36, image: 576 };

describe('compareCost', () => {
  it('has the paper’s reduction and the exact one, which the early cut makes the larger', () => {
    const cost = compareCost(shape, tokens, [{ layer: 2, ratio: 0.5 }], { lmHead: 'last' });
    expect(cost.keptImageTokens).toBe(288);
    expect(Math.round(100 * cost.paperReduction)).toBe(45);
    expect(1 - cost.prefill.after.total / cost.prefill.before.total).toBeGreaterThan(cost.paperReduction);
    expect(cost.kvBytes.after.total / cost.kvBytes.before.total).toBeCloseTo(
      (2 * 612 + 30 * 324) / (32 * 612),
      12,
    );
    expect(cost.decode.after.total).toBeLessThan(cost.decode.before.total);
  });

  it('changes nothing without stages', () => {
    const cost = compareCost(shape, tokens, [], { generated: 5 });
    expect(cost.prefill.after).toEqual(cost.prefill.before);
    expect(cost.kvBytes.after).toEqual(cost.kvBytes.before);
    expect(cost.kvBytes.before.layers[0]).toBe(617 * 2 * 4096 * 2);
    expect(cost.paperReduction).toBeCloseTo(0, 12);
  });

  it('refuses a K that the decoder has not', () => {
    expect(() => compareCost(shape, tokens, [{ layer: 32, ratio: 0.5 }])).toThrow(/decoder has 32/);
  });
});
