/**
 * How many: right where the reply is the number and nothing else, in digits or as a word up to twenty.
 *
 * Source: github.com/EvolvingLMMs-Lab/lmms-eval, tasks/countbench/utils.py.
 */
import { sampleMetric } from './metric.js';

const WORDS = [
  ...[
    'zero',
    'one',
    'two',
    'three',
    'four',
    'five',
    'six',
    'seven',
    'eight',
    'nine',
    'ten',
    'eleven',
    'twelve',
  ],
  ...['thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen', 'twenty'],
];
const NUMBERS: ReadonlyMap<string, string> = new Map([
  ['none', '0'],
  ...WORDS.map((word, number) => [word, String(number)] as const),
]);

function inDigits(text: string): string {
  const plain = text.trim().toLowerCase();
  return NUMBERS.get(plain) ?? plain;
}

export const countMetric = sampleMetric({
  name: 'count',
  label: 'accuracy',
  about: 'whether the reply is the number and nothing else, in digits or as a word',
  scoreReply: ({ answers }, { text }) => ({
    score: answers.some((answer) => inDigits(answer) === inDigits(text)) ? 1 : 0,
    choice: null,
  }),
  meaning: ({ prediction }) => inDigits(prediction),
});
