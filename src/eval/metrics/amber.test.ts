import { expect, it } from 'vitest';
import { scoreTask } from '../score.js';
import { amberAnswer } from './amber.js';

it.each([
  ['Yes', 'yes'],
  ['No.', 'no'],
  ['I cannot say', 'no'], // as the code has it: it holds "no"
  ['Perhaps', null],
])('reads %j', (reply, said) => {
  expect(amberAnswer(reply)).toBe(said);
});

it('is F1 of no', () => {
  const said = (prediction: string, answer: string) => ({
    ...{ prediction, answers: [answer], category: null, group: null },
    score: amberAnswer(prediction) === answer ? 1 : 0,
  });
  // two right no, one wrong no, one no that was not said
  const samples = [
    said('No', 'no'),
    said('no', 'no'),
    said('No', 'yes'),
    said('Yes', 'no'),
    said('Yes', 'yes'),
  ];
  const { score, details } = scoreTask('amber', samples);
  expect(score).toBeCloseTo(2 / 3);
  expect(details).toMatchObject({ accuracy: 0.6, precision: 2 / 3, recall: 2 / 3, unclear: 0 });
});
