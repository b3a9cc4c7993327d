import { describe, expect, it } from 'vitest';
import { normalizeVqaAnswer, vqaAccuracy } from './vqa.js';

describe('the official normalisation', () => {
  it.each([
    ['The Dog.', 'dog'],
    ['a  red\tcar\n', 'red car'],
    ['two', '2'],
    ['None', '0'],
    ['ten', '10'],
    ['eleven', 'eleven'],
    ['dont', "don't"],
    ['couldntve', 'couldntve'],
    ["couldnt've", "couldn't've"],
    ['mustnt', "mustn't"],
    ["somebody'd", 'somebodyd'],
    ['oclock', "o'clock"],
    ['its', 'its'],
    // a mark with no space beside it becomes a space, one with a space beside it vanishes
    ['black/white', 'black white'],
    ['black / white', 'black white'],
    ['t-shirt', 't shirt'],
    ['yes,no', 'yes no'],
    ['yes, no', 'yes no'],
    // a comma between digits makes all marks vanish
    ['1,000', '1000'],
    ['1,000-2,000', '10002000'],
    // full stops go unless a digit follows
    ['3.5', '3.5'],
    ['U.S.A.', 'usa'],
    ['5.', '5'],
    // colons, apostrophes, currency and percent signs stay
    ['10:30', '10:30'],
    ["dog's", "dog's"],
    ['$5', '$5'],
    ['50%', '50%'],
    ['"stop"', 'stop'],
    ['what?', 'what'],
    ['an', ''],
  ])('%j is %j', (answer, normal) => {
    expect(normalizeVqaAnswer(answer)).toBe(normal);
  });

  it('takes out 32 full stops at most, as the evaluation code does', () => {
    expect(normalizeVqaAnswer(`a${'.'.repeat(40)}b`)).toBe(`a${'.'.repeat(8)}b`);
  });
});

describe('VQA accuracy', () => {
  const answers = (...counts: [string, number][]): string[] =>
    counts.flatMap(([answer, n]) => new Array<string>(n).fill(answer));

  it.each([
    // n of ten say so: leaving one of them out leaves n − 1
    [1, 0.3],
    [2, 0.6],
    [3, 0.9],
    [4, 1],
    [10, 1],
    [0, 0],
  ])('%d of ten annotators agree: %d', (n, expected) => {
    expect(vqaAccuracy('red', answers(['red', n], ['blue', 10 - n]), 'always')).toBeCloseTo(expected, 12);
  });

  it('normalises only where annotators disagree, unless told to always', () => {
    expect(vqaAccuracy('The dog', answers(['dog', 10]))).toBe(0);
    expect(vqaAccuracy('The dog', answers(['dog', 10]), 'always')).toBe(1);
    expect(vqaAccuracy('The dog', answers(['dog', 9], ['cat', 1]))).toBe(1);
  });

  it('counts answers that normalise to the same', () => {
    expect(vqaAccuracy('2', answers(['two', 2], ['2', 2], ['three', 6]))).toBe(1);
  });

  it('is 0 without annotators', () => {
    expect(vqaAccuracy('x', [])).toBe(0);
  });
});
