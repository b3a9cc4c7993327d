import { expect, it } from 'vitest';
import { rougeAnswer } from './rouge.js';

it('compares words after the normalisation of VQA accuracy', () => {
  expect(rougeAnswer('The Dog!', ['dog'])).toBe(1);
  expect(rougeAnswer('two dogs', ['2 dogs'])).toBe(1);
  expect(rougeAnswer('cat', ['dog'])).toBe(0);
});

it('weighs recall by β = 1.2, the best over the answers', () => {
  // one of two words common: precision 1, recall 1/2
  const expected = ((1 + 1.44) * 0.5) / (0.5 + 1.44);
  expect(rougeAnswer('red', ['red car'])).toBeCloseTo(expected, 12);
  expect(rougeAnswer('red', ['red car', 'red'])).toBe(1);
});

it('is 0 for an empty reply, and without answers', () => {
  expect(rougeAnswer('', ['dog'])).toBe(0);
  expect(rougeAnswer('dog', [])).toBe(0);
});
