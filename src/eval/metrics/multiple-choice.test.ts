import { describe, expect, it } from 'vitest';
import { FastvError } from '../../errors.js';
import { bestChoice, letter, parseChoice } from './multiple-choice.js';

const choices = ['cat', 'dog', 'cat and dog', 'a horse'];

describe('parseChoice', () => {
  it.each([
    ['B', 1],
    ['b', 1],
    [' (B) ', 1],
    ['B.', 1],
    ['B)', 1],
    ['**B**', 1],
    ['"B"', 1],
    ['A', 0],
    ['B. dog', 1],
    ['(B) dog', 1],
    ['B: because it barks', 1],
    ['Answer: B', 1],
    ['The answer is B.', 1],
    ['the answer is (b)', 1],
    ['The correct option is C, not A.', 2],
    ['I think option D fits. The answer is B', 1],
    ['dog', 1],
    ['Dog.', 1],
    ['It is a dog', 1],
    ['It is a horse.', 3],
    ['cat and dog', 2],
    ['I see a cat and dog here', 2],
    ['Both, so the picture fits (C).', 2],
    ['I would say B', 1],
    // refused: none, several, out of range
    ['', null],
    ['bird', null],
    ['E', null],
    ['B or C', null],
    ['A cat or a horse', null],
    ['A bird', null],
    ['I do not know', null],
  ])('%j is %j', (reply, expected) => {
    expect(parseChoice(reply, choices)).toBe(expected);
  });

  it.each([
    // by the same rules for every letter
    ...['A', 'B', 'C', 'D'].flatMap((own, i): [string, number | null][] => [
      [`${own} is correct`, i],
      [`${own} is the answer`, i],
      [`${own} because it barks`, i],
      [`${own} seems right`, i],
      [`It must be ${own}, I think`, i],
      [`\\boxed{${own}}`, i],
      [`The answer is \\(\\boxed{\\text{${own}}}\\).`, i],
      [`$${own}$`, i],
      [`<answer>${own}</answer>`, i],
      [`<think>A or B, so C.</think><answer>${own}</answer>`, i],
      [`答案是${own}`, i],
      [`正确选项是${own}。`, i],
      [`${own}。`, i],
      [`“${own}”`, i],
      [`（${own}）`, i],
      [`${own}\n\nno dog`, i],
      [`not ${own}`, null],
      [`${own} bird`, null],
      [`${own} or D, or C`, null],
      [`vitamin-${own}`, null],
    ]),
    ['A or B', null],
    ['A and B', null],
    ['The answer is A or B', null],
    ['Answer is C and D', null],
    ['(A) or (B)', null],
    ['D/A', null],
    ['A/D', null],
    ['B-D', null],
    ['C-B flat', null],
    ['The answer is not A; it is B.', 1],
    ['Option B is right, option A is wrong.', 1],
    ['(A) is wrong, so (C).', 2],
    // articles
    ['Answer: a cat', 0],
    ['Answer: a dog', 1],
    ['The answer is: a dog', 1],
    ['The correct option would be a horse', 3],
    ['My choice: a red ball', null],
    ['A dog', 1],
  ] as [string, number | null][])('%j is %j, whatever the letter', (reply, expected) => {
    expect(parseChoice(reply, choices)).toBe(expected);
  });

  it('reads letters past D', () => {
    expect(parseChoice('F', ['1', '2', '3', '4', '5', '6'])).toBe(5);
    expect(letter(25)).toBe('Z');
  });

  it('is not slow on long replies', () => {
    expect(parseChoice(`${'the answer is '.repeat(5000)}B`, choices)).toBe(1);
  });
});

describe('bestChoice', () => {
  it('takes the highest, the first of equals', () => {
    expect(bestChoice([-3, -1, -2])).toBe(1);
    expect(bestChoice([-1, -1])).toBe(0);
    expect(bestChoice([-Infinity, -Infinity])).toBe(0);
  });
  it('refuses none and NaN', () => {
    expect(() => bestChoice([])).toThrow(FastvError);
    expect(() => bestChoice([NaN, 0])).toThrow(FastvError);
  });
});
