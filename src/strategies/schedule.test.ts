import { describe, expect, it } from 'vitest';
import { meanShare, SCHEDULES, stagesOf, stagesOfMean, type ScheduleName } from './schedule.js';

const names = Object.keys(SCHEDULES) as ScheduleName[];

describe('schedules', () => {
  it('have the layers of their papers at 32, and R of what is left', () => {
    expect(stagesOf('pyramid', 32)).toEqual({ layers: [8, 16, 24], ratios: [0.5, 0.5, 0.5] });
    expect(stagesOf('sparsevlm', 32).layers).toEqual([2, 6, 15]);
    expect(stagesOf('v2drop', 32).layers).toEqual([3, 17, 22]);
    expect(stagesOf('horizon', 32)).toEqual({ layers: [8, 21], ratios: [0.75, 1] });
  });

  it.each(names)(
    '%s has ascending layers within every depth, R in 0 … 1 and as many stages as layers',
    (name) => {
      for (let depth = 2; depth <= 48; depth++) {
        const { layers, ratios } = stagesOf(name, depth);
        expect(ratios).toHaveLength(layers.length);
        layers.forEach((layer, i) => {
          expect(layer).toBeGreaterThan(layers[i - 1] ?? 0);
          expect(layer).toBeLessThan(depth);
        });
        for (const ratio of ratios) expect(ratio >= 0 && ratio <= 1).toBe(true);
      }
    },
  );

  it('come to the means that papers name', () => {
    // (2 · 576 + 4 · 300 + 9 · 200 + 17 · 110) / 32
    expect(576 * meanShare(stagesOf('sparsevlm', 32), 32)).toBeCloseTo(188.2, 1);
    expect(meanShare(stagesOf('pyramid', 32), 32)).toBeCloseTo((8 + 4 + 2 + 1) / 32, 10);
  });

  it.each(names)('%s can be scaled to a mean, or says that it cannot', (name) => {
    for (const mean of [0.3, 0.5, 0.8]) {
      const stages = stagesOfMean(name, 32, mean);
      if (stages === undefined) expect(meanShare(stagesOf(name, 32, 0), 32)).toBeGreaterThan(mean);
      else if (SCHEDULES[name].every(({ keep }) => keep > 0))
        expect(meanShare(stages, 32)).toBeCloseTo(mean, 6);
      else expect(meanShare(stages, 32)).toBeLessThanOrEqual(mean);
    }
  });
});
