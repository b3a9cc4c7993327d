import { describe, expect, it } from 'vitest';
import { Picture } from './picture.js';

const picture = Picture.of({
  data: Uint8Array.from([1, 2, 3, 4, 5, 6]),
  width: 3,
  height: 2,
  channels: 1,
});
const rows = ({ data, width }: { data: ArrayLike<number>; width: number }): number[][] =>
  Array.from({ length: data.length / width }, (_, y) =>
    Array.from({ length: width }, (_, x) => data[y * width + x] ?? NaN),
  );

describe('a window', () => {
  it.each([
    ['inside', [1, 0, 2, 2], [[2, 3], [5, 6]]],
    ['over the edges', [-1, 1, 3, 2], [[0, 4, 5], [0, 0, 0]]],
    ['beside it', [5, 0, 2, 1], [[0, 0]]],
    ['above it', [0, -3, 2, 1], [[0, 0]]],
  ] as const)('%s', (_, [left, top, width, height], expected) => {
    expect(rows(picture.window(left, top, width, height))).toEqual(expected);
  }); // prettier-ignore
});

it('is cropped to its middle, and padded on the longer side first, as Hugging Face does', async () => {
  expect(rows(await picture.center_crop(1, 2))).toEqual([[2], [5]]);
  expect(rows(await picture.center_crop(2, 2))).toEqual([[1, 2], [4, 5]]); // prettier-ignore
  expect(rows(await picture.center_crop(4, 1))).toEqual([[0, 1, 2, 3]]);
});

it('that would have no pixels is refused', async () => {
  await expect(picture.resize(0, 2)).rejects.toMatchObject({ code: 'invalid-input' });
  await expect(picture.resize(2, NaN)).rejects.toMatchObject({ code: 'invalid-input' });
});

it('is itself where the size is its own', async () => {
  expect(await picture.resize(3, 2)).toBe(picture);
  expect(picture.window(0, 0, 3, 2)).toBe(picture);
});
