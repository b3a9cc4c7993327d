import { expect, it } from 'vitest';
import { golden, goldenSamples } from '../../../test/eval/captions-golden.js';
import { commonSubsequence, rougeL } from './rouge-l.js';

it('ROUGE-L equals the COCO caption code, corpus and each sample', () => {
  const { score, each } = rougeL(goldenSamples);
  expect(Math.abs(score - golden.expected.ROUGE_L)).toBeLessThan(1e-9);
  each.forEach((s, i) => {
    expect(Math.abs(s - (golden.expected.ROUGE_L_each[i] ?? NaN))).toBeLessThan(1e-9);
  });
});

it('finds the longest common subsequence', () => {
  expect(commonSubsequence(Array.from('abcbdab'), Array.from('bdcaba'))).toBe(4);
  expect(commonSubsequence([], ['a'])).toBe(0);
});

it('scores nothing in common 0, an empty caption too', () => {
  expect(rougeL([{ candidate: [], references: [['a']] }]).score).toBe(0);
  expect(rougeL([{ candidate: ['b'], references: [['a']] }]).score).toBe(0);
});
