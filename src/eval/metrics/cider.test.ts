import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bleu } from './bleu.js';
import { cider } from './cider.js';
import { golden, goldenSamples } from '../../../test/eval/captions-golden.js';
import { rougeL } from './rouge-l.js';

describe('CIDEr', () => {
  it('equals the COCO caption code, corpus and each sample', () => {
    const { score, each } = cider(goldenSamples);
    expect(Math.abs(score - golden.expected.CIDEr)).toBeLessThan(1e-9);
    expect(each).toHaveLength(golden.expected.CIDEr_each.length);
    each.forEach((s, i) => {
      expect(Math.abs(s - (golden.expected.CIDEr_each[i] ?? NaN))).toBeLessThan(1e-9);
    });
  });

  it('is 0 for a corpus of one, where every n-gram is in every document', () => {
    expect(cider([{ candidate: ['a', 'dog'], references: [['a', 'dog']] }]).score).toBe(0);
  });

  it('gives an empty caption 0 and refuses a missing reference', () => {
    expect(cider([{ candidate: [], references: [['a', 'dog']] }, ...goldenSamples]).each[0]).toBe(0);
    expect(() => cider([{ candidate: ['a'], references: [] }])).toThrow(/no reference/);
    expect(() => cider([])).toThrow(/no captions/);
  });
});

// nlg-eval's example is not ours to copy: it is read where it is found
const example = new URL('../../../../shared/fixtures/metrics/nlg-eval-example/', import.meta.url);
describe.skipIf(!existsSync(example))("nlg-eval's example (skipped where ../shared is absent)", () => {
  const lines = (name: string): string[][] =>
    readFileSync(new URL(name, example), 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
  it('gives the scores in its documentation', () => {
    const [first, second] = [lines('ref1.txt'), lines('ref2.txt')];
    const samples = lines('hyp.txt').map((candidate, i) => ({
      candidate,
      references: [first[i] ?? [], second[i] ?? []],
    }));
    expect(cider(samples).score).toBeCloseTo(1.2421919556558583, 9);
    expect(rougeL(samples).score).toBeCloseTo(0.5221037854, 9);
    [0.55, 0.428174, 0.284043, 0.201143].forEach((score, k) => {
      expect(bleu(samples).score[k]).toBeCloseTo(score, 6);
    });
  });
});
