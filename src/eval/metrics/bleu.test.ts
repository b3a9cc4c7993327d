import { expect, it } from 'vitest';
import { bleu } from './bleu.js';
import { golden, goldenSamples } from '../../../test/eval/captions-golden.js';

it('BLEU-1…4 equal the COCO caption code', () => {
  const { score, each } = bleu(goldenSamples);
  expect(score).toHaveLength(4);
  score.forEach((s, k) => {
    expect(Math.abs(s - (golden.expected.BLEU[k] ?? NaN))).toBeLessThan(1e-9);
  });
  expect(each).toHaveLength(goldenSamples.length);
});

it('clips counts, penalises brevity, takes the closest length', () => {
  const the = ['the', 'the', 'the'];
  const alone = bleu([
    { candidate: the, references: [['the', 'cat', 'sat']] },
    { candidate: ['a'], references: [['a']] },
  ]);
  expect(alone.each[0]?.[0]).toBeCloseTo(1 / 3, 6);
  // two references equally close to 3 tokens: the shorter counts, so there is no penalty
  const tie = bleu([
    {
      candidate: ['a', 'b', 'c'],
      references: [
        ['a', 'b', 'c', 'd'],
        ['a', 'b'],
      ],
    },
    { candidate: ['x'], references: [['x']] },
  ]);
  expect(tie.each[0]?.[0]).toBeCloseTo(1, 6);
  const short = bleu([
    { candidate: ['a'], references: [['a', 'b']] },
    { candidate: ['x'], references: [['x']] },
  ]);
  expect(short.each[0]?.[0]).toBeCloseTo(Math.exp(-1), 6);
  expect(() => bleu([])).toThrow(/no captions/);
});

it('an empty caption scores about nothing, and is no division by zero', () => {
  const { score } = bleu([{ candidate: [], references: [['a']] }]);
  for (const s of score) expect(s).toBeLessThan(1e-3);
});
