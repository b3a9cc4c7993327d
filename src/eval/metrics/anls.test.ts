import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anls, levenshtein } from './anls.js';

it.each([
  ['hello', ['hello'], 1],
  ['Hello ', ['hello'], 1],
  ['helo', ['hello'], 0.8],
  ['hel', ['hello'], 0.6],
  // half the letters wrong counts, more does not
  ['ab', ['ax', 'yb'], 0.5],
  ['abc', ['xyc'], 0],
  ['abc', ['abx'], 2 / 3],
  ['x', ['hello', 'x'], 1],
  ['', ['hello'], 0],
  ['', [''], 1],
  ['x', [], 0],
])('%j against %j is %d', (prediction, answers, expected) => {
  expect(anls(prediction, answers)).toBeCloseTo(expected, 12);
});

it('counts as the plain table does, whatever the band', () => {
  const plain = (a: string, b: string): number => {
    let above = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const row = [i];
      for (let j = 1; j <= b.length; j++) {
        const same = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
        row.push(Math.min(same, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
      }
      above = row;
    }
    return above[b.length] ?? 0;
  };
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
  fc.assert(
    fc.property(text, text, fc.nat(50), (a, b, most) => {
      const distance = plain(a, b);
      expect(levenshtein(Array.from(a), Array.from(b))).toBe(distance);
      expect(levenshtein(Array.from(a), Array.from(b), most)).toBe(distance <= most ? distance : Infinity);
    }),
  );
});

it('counts edits', () => {
  expect(levenshtein(Array.from('kitten'), Array.from('sitting'))).toBe(3);
  expect(levenshtein([], Array.from('abc'))).toBe(3);
});
