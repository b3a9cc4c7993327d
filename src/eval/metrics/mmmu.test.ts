import { expect, it } from 'vitest';
import { mmmuMetric, mmmuOpen } from './mmmu.js';

it.each([
  ['42.0', ['42'], 1],
  ['x = 42', ['42'], 1],
  ['The value is about 3.5', ['3.5'], 1],
  ['$8.25 million', ['$8.25'], 1],
  ['1,000 units', ['1000'], 1],
  ['3.429', ['24/7', '3.429'], 1],
  ['I see Apple there', ['apple'], 1],
  ['So the final answer is pear.', ['apple'], 0],
  // one letter inside a word is no match
  ['text', ['x'], 0],
  ['the answer is x', ['x'], 1],
  ['x y', ['x'], 1],
  ['', ['42'], 0],
])('%j against %j is %d', (reply, answers, expected) => {
  expect(mmmuOpen(reply, answers)).toBe(expected);
});

it('takes choices by letter, and counts replies that name none', () => {
  const closed = { choices: ['cat', 'dog'], answers: ['dog'], answerIndex: 1 };
  expect(mmmuMetric.scoreReply(closed, { text: 'B' })).toEqual({ score: 1, choice: 1 });
  const sample = { prediction: '?', score: 0, answers: [], category: null, group: null };
  const samples = [
    { ...sample, choice: null, options: 2 },
    { ...sample, choice: null, options: null },
    { ...sample, choice: 0, options: 2 },
  ];
  expect(mmmuMetric.details?.(samples)).toEqual({ unread: 1 });
});

it('gives the score of each discipline', () => {
  const sample = { prediction: 'B', answers: ['x'], group: null, choice: 1, options: 4 };
  const details = mmmuMetric.details?.([
    { ...sample, score: 1, category: 'Math' },
    { ...sample, score: 0, category: 'Physics' },
    { ...sample, score: 1, category: 'Art_Theory' },
    { ...sample, score: 1, category: null },
  ]);
  expect(details).toEqual({ unread: 0, Science: 0.5, 'Art & Design': 1 });
});
