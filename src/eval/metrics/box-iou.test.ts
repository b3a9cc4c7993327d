import { expect, it } from 'vitest';
import { boxIou, boxIouMetric, parseBox } from './box-iou.js';

it.each([
  ['It is at [0.1, 0.2, 0.5, 0.75].', [0.1, 0.2, 0.5, 0.75]],
  ['[ -1 ,0,1 , 2.5 ] and [3,4,5,6]', [-1, 0, 1, 2.5]],
  ['[0.1, 0.2, 0.5]', null],
  ['(0.1, 0.2, 0.5, 0.7)', null],
  ['[.1, .2, .5, .7]', null],
])('reads %s as the reference code does', (text, box) => {
  expect(parseBox(text)).toEqual(box);
});

it('measures the intersection over the union', () => {
  expect(boxIou([0, 0, 1, 1], [0, 0, 1, 1])).toBe(1);
  expect(boxIou([0, 0, 1, 1], [0, 0, 0.5, 1])).toBe(0.5);
  expect(boxIou([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1])).toBe(0);
  expect(boxIou([0, 0, 0, 0], [0, 0, 0, 0])).toBe(0);
});

it('takes one half as right, and a reply without a box as wrong', () => {
  const target = { choices: null, answers: ['[0, 0, 1, 1]'], answerIndex: null };
  const score = (text: string) => boxIouMetric.scoreReply(target, { text }).score;
  expect(['[0,0,0.5,1]', '[0,0,0.49,1]', '[0.9,0.9,0.1,0.1]', 'there'].map(score)).toEqual([1, 0, 0, 0]);
  const sample = (prediction: string) => ({
    ...{ prediction, answers: target.answers, score: score(prediction), category: null, group: null },
  });
  expect(boxIouMetric.details?.([sample('[0,0,0.5,1]'), sample('there')])).toEqual({
    'mean IoU': 0.25,
    'without a box': 1,
  });
});
