import { expect, it } from 'vitest';
import { hallusionAnswer, hallusionMetric } from './hallusion.js';

it.each([
  ['Yes.', 'yes'],
  ['no, it is not', 'no'],
  ['Yes and no', null],
  ['Not at all', null],
  ['', null],
])('reads %j', (reply, said) => {
  expect(hallusionAnswer(reply)).toBe(said);
});

it('asks for all of a figure, and all of a question', () => {
  // two figures, two questions each; one answer is wrong
  const samples = ['0/0', '0/1', '1/0', '1/1'].map((place, i) => ({
    ...{ prediction: 'yes', answers: [i === 3 ? '0' : '1'], category: 'chart', group: `VS/chart/7/${place}` },
    score: hallusionMetric.scoreReply(
      { choices: null, answers: [i === 3 ? '0' : '1'], answerIndex: null },
      { text: 'yes' },
    ).score,
  }));
  expect(samples.map(({ score }) => score)).toEqual([1, 1, 1, 0]);
  const other = { ...samples[0], group: 'VS/chart/7/2/0', prediction: '', answers: ['1'], score: 0 };
  expect(hallusionMetric.details?.([...samples, { ...other, category: 'chart' }])).toEqual({
    // of figures 0, 1 and 2 the first, of questions 0 and 1 neither
    ...{ fAcc: 1 / 3, qAcc: 0, unclear: 1 },
  });
});
