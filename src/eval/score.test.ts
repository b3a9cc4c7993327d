import { describe, expect, it } from 'vitest';
import { golden } from '../../test/eval/captions-golden.js';
import { scoreReply, scoreTask, type ScoredSample } from './score.js';

const open = (answers: string[]) => ({ choices: null, answers, answerIndex: null });
const closed = { choices: ['cat', 'dog'], answers: ['dog'], answerIndex: 1 };

describe('scoreReply', () => {
  it('scores by the metric', () => {
    expect(scoreReply('exact-match', open(['Two']), { text: 'two.' }).score).toBe(1);
    expect(scoreReply('anls', open(['hello']), { text: 'helo' }).score).toBeCloseTo(0.8, 12);
    expect(scoreReply('vqa', open(['a dog', 'dog', 'dog', 'dog']), { text: 'The dog' }).score).toBe(1);
    expect(scoreReply('vqa-always', open(['dog', 'dog', 'dog', 'dog']), { text: 'The dog' }).score).toBe(1);
    expect(scoreReply('pope', open(['yes']), { text: 'Yes, it is' }).score).toBe(1);
    expect(scoreReply('mme', open(['No']), { text: 'I cannot say' }).score).toBe(0);
    expect(scoreReply('caption', open(['x']), { text: 'x' }).score).toBeNull();
  });
  it('takes choices by letter or by likelihood', () => {
    expect(scoreReply('multiple-choice', closed, { text: 'B. dog' })).toEqual({ score: 1, choice: 1 });
    expect(scoreReply('multiple-choice', closed, { text: '', logLikelihoods: [-1, -2] })).toEqual({
      score: 0,
      choice: 0,
    });
    expect(scoreReply('multiple-choice', closed, { text: 'bird' })).toEqual({ score: 0, choice: null });
    expect(scoreReply('multiple-choice', open(['4']), { text: '4' })).toEqual({ score: 1, choice: null });
  });
});

describe('scoreTask', () => {
  const sample = (part: Partial<ScoredSample>): ScoredSample => ({
    prediction: '',
    score: 0,
    answers: [],
    category: null,
    group: null,
    ...part,
  });

  it('averages, with an interval and categories', () => {
    const score = scoreTask('vqa', [
      sample({ score: 1, category: 'b' }),
      sample({ score: 0.5, category: 'a' }),
      sample({ score: 0, category: 'b' }),
    ]);
    expect(score.score).toBeCloseTo(0.5, 12);
    expect(score.interval?.low).toBeLessThan(0.5);
    expect(score.categories).toEqual({ a: { score: 0.5, samples: 1 }, b: { score: 0.5, samples: 2 } });
    expect(scoreTask('vqa', []).score).toBeNaN();
  });

  it('gives captions the reference scores', () => {
    const score = scoreTask(
      'caption',
      golden.samples.map((s) => sample({ prediction: s.candidate, answers: s.references, score: null })),
    );
    expect(score.score).toBeCloseTo(golden.expected.CIDEr, 9);
    expect(score.details['ROUGE-L']).toBeCloseTo(golden.expected.ROUGE_L, 9);
    expect(score.details['BLEU-4']).toBeCloseTo(golden.expected.BLEU[3] ?? NaN, 9);
  });

  it('gives POPE its F1 and MME its pairs', () => {
    const yes = sample({ prediction: 'yes', answers: ['yes'], score: 1 });
    expect(scoreTask('pope', [yes, yes, sample({ prediction: 'yes', answers: ['no'] })])).toMatchObject({
      metric: 'F1',
      details: { recall: 1, yesRatio: 1 },
    });
    const pair = sample({ score: 1, category: 'color', group: '1' });
    expect(scoreTask('mme', [pair, pair]).score).toBe(200);
    expect(() => scoreTask('mme', [pair])).toThrow(/2 are needed/);
  });
});
