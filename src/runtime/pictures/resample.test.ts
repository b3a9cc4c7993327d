// Against numbers of Pillow 12's own: the pixels of Hugging Face's image processors in test/build-generate.test.ts. Here is
// what any resampling must do.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { knowsFilter, resample, type Bytes } from './resample.js';

const FILTERS = [1, 2, 3];

function grey(values: readonly number[], width: number): Bytes {
  return { data: Uint8Array.from(values), width, height: values.length / width, channels: 1 };
}

describe.each(FILTERS)('filter %i', (filter) => {
  it('leaves one colour as it is, in any size', () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(fc.nat(255), size, size, size, size, (colour, w, h, width, height) => {
        const image = { ...grey(Array<number>(w * h).fill(colour), w), height: h };
        const { data } = resample(image, width, height, filter);
        expect(new Set(data)).toEqual(new Set([colour]));
        expect(data).toHaveLength(width * height);
      }),
    );
  });

  it('mirrors what is mirrored', () => {
    const values = fc.array(fc.nat(255), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 40 }), (row, width) => {
        const there = resample(grey(row, row.length), width, 1, filter).data;
        const back = resample(grey([...row].reverse(), row.length), width, 1, filter).data;
        // halves are rounded up on both sides
        there.forEach((value, i) => {
          expect(Math.abs(value - (back[width - 1 - i] ?? NaN))).toBeLessThanOrEqual(1);
        });
      }),
    );
  });

  it('does each channel by itself, and columns as rows', () => {
    const row = [10, 200, 30, 250, 0, 90];
    const one = Array.from(resample(grey(row, 6), 4, 1, filter).data);
    const column = resample(grey(row, 1), 1, 4, filter).data;
    expect(Array.from(column)).toEqual(one);
    const rgb = { data: Uint8Array.from(row.flatMap((v) => [v, 0, v])), width: 6, height: 1, channels: 3 };
    expect(Array.from(resample(rgb, 4, 1, filter).data)).toEqual(one.flatMap((v) => [v, 0, v]));
  });
});

it('smooths what it shrinks: a pattern finer than a pixel becomes its mean', () => {
  const stripes = Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 0 : 200));
  for (const value of resample(grey(stripes, 64), 4, 1, 2).data) {
    expect(Math.abs(value - 100)).toBeLessThanOrEqual(2);
  }
});

it('knows bilinear weights: two pixels as four', () => {
  expect(Array.from(resample(grey([0, 100], 2), 4, 1, 2).data)).toEqual([0, 25, 75, 100]);
});

it('knows three filters', () => {
  expect([0, 1, 2, 3, 4].filter(knowsFilter)).toEqual(FILTERS);
  expect(() => resample(grey([1], 1), 2, 1, 4)).toThrow(RangeError);
});
