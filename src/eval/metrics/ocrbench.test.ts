import { expect, it } from 'vitest';
import { ocrBenchMetric } from './ocrbench.js';

const FORMULAS = 'Handwritten Mathematical Expression Recognition';

it.each([
  ['The word is CENTRE.', ['centre'], null, 1],
  ['the\nend', ['The end'], null, 1],
  ['cent re', ['centre'], null, 0],
  ['x ^ { 2 } + 1', ['x^{2}+1'], FORMULAS, 1],
  ['X^{2}', ['x^{2}'], FORMULAS, 0],
  ['two', ['one', 'two'], 'Doc-oriented VQA', 1],
])('%j against %j (%s)', (text, answers, category, score) => {
  expect(
    ocrBenchMetric.scoreReply({ choices: null, answers, answerIndex: null, category }, { text }),
  ).toEqual({
    score,
    choice: null,
  });
});
