import sharp from 'sharp';
import { expect, it } from 'vitest';
import { overlayPng } from './overlay.js';

it('leaves kept patches as they are and darkens the others', async () => {
  const picture = { data: new Uint8ClampedArray(8 * 8 * 3).fill(200), width: 8, height: 8 };
  const patches = { rows: 2, columns: 2, kept: [{ row: 0, column: 1 }] };
  const png = await overlayPng([
    { picture, patches },
    { picture, patches: { ...patches, kept: [] } },
  ]);
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([968, 480]);
  const at = (x: number, y: number): number => data[(y * info.width + x) * info.channels] ?? -1;
  expect([at(400, 100), at(100, 100), at(400, 400), at(484, 10), at(600, 100)].map((v) => v > 100)).toEqual([
    true,
    false,
    false,
    true,
    false,
  ]);
});

it.each([0, 20, 40, 90, 255])('shows what is dropped on a ground of %d', async (value) => {
  const picture = { data: new Uint8ClampedArray(8 * 8 * 3).fill(value), width: 8, height: 8 };
  const png = await overlayPng([
    { picture, patches: { rows: 1, columns: 2, kept: [{ row: 0, column: 0 }] } },
  ]);
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number): number => data[(y * info.width + x) * info.channels] ?? -1;
  const line = (from: number): number[] => Array.from({ length: 40 }, (_, i) => at(from + i, 100));
  expect(new Set(line(100))).toEqual(new Set([value]));
  // hatched: two tones that differ clearly, one of them from the picture itself too
  const tones = [...new Set(line(300))];
  expect(tones).toHaveLength(2);
  expect(Math.abs((tones[0] ?? 0) - (tones[1] ?? 0))).toBeGreaterThan(25);
});
