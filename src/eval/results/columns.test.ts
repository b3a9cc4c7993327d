import { expect, it } from 'vitest';
import { Column, TextTable, TupleTable } from './columns.js';

it('a column holds numbers over many chunks', () => {
  const column = new Column(Float64Array);
  const count = 3 * 2 ** 16 + 1;
  for (let i = 0; i < count; i++) column.push(i / 2);
  expect(column.length).toBe(count);
  expect([0, 2 ** 16, count - 1].map((i) => column.at(i))).toEqual([0, 2 ** 15, (count - 1) / 2]);
  expect(column.at(count)).toBeNaN();
});

it.each([0, 1, 2 ** 16 - 1, 2 ** 16, 2 ** 16 + 1])(
  'a column of %i numbers that are the same, and one that is not',
  (same) => {
    const column = new Column(Float32Array);
    const third = Math.fround(1 / 3);
    for (let i = 0; i < same; i++) column.push(1 / 3);
    if (same > 0) expect([column.at(0), column.at(same - 1), column.at(same)]).toEqual([third, third, NaN]);
    column.push(2);
    column.push(1 / 3);
    expect([column.length, column.at(same), column.at(same + 1), column.at(same + 2)]).toEqual([
      same + 2,
      2,
      third,
      NaN,
    ]);
    if (same > 0) expect([column.at(0), column.at(same - 1)]).toEqual([third, third]);
  },
);

it('a text is held once and comes back as it was', () => {
  const texts = new TextTable();
  const given = ['', 'a', 'ä', 'é'.normalize('NFD'), '漢字', '😀', '\ud800', 'a\nb', 'x'.repeat(2 ** 21)];
  const ids = given.map((text) => texts.id(text));
  expect(new Set(ids).size).toBe(given.length);
  expect(given.map((text) => texts.id(text))).toEqual(ids);
  expect(ids.map((id) => texts.text(id))).toEqual(given);
  // two bytes of one spelling are one letter of another
  expect(texts.id('\u0161')).not.toBe(texts.id('\u0061\u0001'));
  const many = Array.from({ length: 50_000 }, (_, i) => `text ${i}`);
  const numbers = many.map((text) => texts.id(text));
  expect(many.every((text, i) => texts.text(numbers[i] ?? -1) === text)).toBe(true);
  expect(new Set(numbers).size).toBe(many.length);
});

it('a tuple is held once; NaN is a number like another', () => {
  const tuples = new TupleTable(2);
  expect([tuples.id([1, NaN]), tuples.id([1, 2]), tuples.id([0, 1, NaN], 1)]).toEqual([0, 1, 0]);
  expect(tuples.size).toBe(2);
  expect([tuples.at(0, 0), tuples.at(0, 1), tuples.at(1, 1)]).toEqual([1, NaN, 2]);
});
