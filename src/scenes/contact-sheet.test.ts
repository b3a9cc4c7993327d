import sharp from 'sharp';
import { expect, it } from 'vitest';
import { loadAtlas } from './atlas.js';
import { contactSheet } from './contact-sheet.js';
import { makeItem } from './dataset.js';

it('leaves room for the whole caption, row by row', async () => {
  const atlas = loadAtlas();
  const item = makeItem('test', 'color', 0, atlas);
  const heightOf = async (answers: readonly string[]): Promise<number> => {
    const sheet = await contactSheet(
      answers.map((answer) => ({ ...item, question: 'What is seen?', answer })),
      atlas,
      2,
    );
    return (await sharp(sheet).metadata()).height;
  };
  const long = 'a clock at the top right, a banana below it, '.repeat(10);
  const [short, oneLong, both] = await Promise.all([
    heightOf(['red', 'red', 'red']),
    heightOf([long, 'red', 'red']),
    heightOf([long, long, 'red']),
  ]);
  // 450 characters at 40 a line, in the first row only
  expect(oneLong - short).toBeGreaterThan(10 * 14);
  expect(both).toBe(oneLong);
});
