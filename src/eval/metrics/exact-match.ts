/** Exact match, after case, white space and (unless it carries meaning) punctuation are put aside. */
import { sampleMetric } from './metric.js';

/** The text in lower case, with single spaces and without surrounding punctuation. */
export function normalizeText(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .trim()
    .replace(/^[\p{P}\p{S}\s]+(?=[\p{L}\p{N}])|(?<=[\p{L}\p{N}])[\p{P}\p{S}\s]+$/gu, '');
}

/** 1 if the prediction equals one of the answers after `normalizeText`, else 0. */
export function exactMatch(prediction: string, answers: readonly string[]): 0 | 1 {
  const said = normalizeText(prediction);
  return answers.some((answer) => normalizeText(answer) === said) ? 1 : 0;
}

/** GQA and other questions with one short answer: the share that is answered in its words. */
export const exactMatchMetric = sampleMetric({
  name: 'exact-match',
  label: 'accuracy',
  about: 'whether the reply is one of the answers, case, spaces and surrounding punctuation aside',
  scoreReply: ({ answers }, { text }) => ({ score: exactMatch(text, answers), choice: null }),
});
