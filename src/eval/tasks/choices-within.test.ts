import { expect, it } from 'vitest';
import { choicesWithin, withoutLetter } from './choices-within.js';

it.each([
  // MMStar
  [
    'Which?\nOptions: A: on the book., B: beneath the cat., C: a, b',
    ['on the book.', 'beneath the cat.', 'a, b'],
  ],
  // V*Bench
  ['What?\n(A) rubber\n(B) cotton\nAnswer with the letter.', ['rubber', 'cotton']],
  // RealWorldQA
  ['Where?\n\nA. Left\nB. Right\nC. Plan B. is none\nPlease answer.', ['Left', 'Right', 'Plan B. is none']],
  ['Is vitamin A: good? (A) yes (B) no', ['yes', 'no']],
  ['How many?', null],
  ['Only A. one', null],
  ['A.B.C. Company', null],
  ['', null],
])('%j', (text, choices) => {
  expect(choicesWithin(text)).toEqual(choices);
});

it('takes a letter off, and nothing else', () => {
  expect(['A. Apples.', 'B) x', 'C', 'A. other'].map(withoutLetter)).toEqual([
    'Apples.',
    'x',
    'C',
    'A. other',
  ]);
});
