// Texts made to be slow: time must grow with their length, not with its square. Ratios of times are compared, never times.
import { describe, expect, it } from 'vitest';
import { isRight } from '../../cli/demo-results.js';
import { parsePythonList } from '../datasets/python-literal.js';
import { scoreReply } from '../score.js';
import { anls } from './anls.js';
import { parseChoice } from './multiple-choice.js';
import { mmmuOpen } from './mmmu.js';
import { normalizeText } from './exact-match.js';
import { ptbTokenize } from './ptb-tokenize.js';
import { normalizeVqaAnswer } from './vqa.js';
import { parseYesNo } from './yes-no.js';

const SHORT = 4_000;
const TIMES = 16;
/** Of a square it would be TIMES² = 256, of a line TIMES; a busy machine makes it more. */
const MOST = 128;

/** The least of three times, in milliseconds of the processor: waiting for other programs does not count. */
function timeOf(run: () => unknown): number {
  return Math.min(
    ...[0, 1, 2].map(() => {
      const start = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    }),
  );
}

const choices = ['a cat', 'a dog'];
const readers: readonly (readonly [string, (text: string) => unknown])[] = [
  ['ptbTokenize', ptbTokenize],
  ['parseChoice', (text) => parseChoice(text, choices)],
  ['mmmuOpen', (text) => mmmuOpen(text, ['42', text.slice(0, 9)])],
  ['normalizeVqaAnswer', normalizeVqaAnswer],
  ['normalizeText', normalizeText],
  ['parseYesNo', parseYesNo],
  ['isRight', (text) => isRight(`${text}x`, text)],
  ['parsePythonList', (text) => parsePythonList(`['a'${text}, 'b']`)],
];
const pieces = [
  ...[
    "a's",
    'a+',
    '+.',
    'mr.',
    'no.',
    '1',
    '1,',
    '1.',
    '1/',
    '.',
    '-',
    ' ',
    '?',
    "'",
    '(',
    'A, ',
    'a&',
    'www.',
  ],
  ...['answer ', 'answer\n', 'is ', '=', 'a@', '[', "', '", '@', 'n’t', '"', 'A/'],
];

describe.each(readers)('%s', (_, read) => {
  it.each(pieces)('reads %j over and over in linear time', (piece) => {
    const text = (length: number): string => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
    const [short, long] = [text(SHORT), text(TIMES * SHORT)];
    read(short);
    const before = timeOf(() => read(short));
    // below half a millisecond a ratio is noise
    expect(timeOf(() => read(long)) / Math.max(before, 0.5)).toBeLessThan(MOST);
  });
});

it('does not overflow the stack', () => {
  expect(ptbTokenize(`a${"'s".repeat(100_000)}`)).toHaveLength(100_001);
});

it('takes words that objects have from birth for words', () => {
  expect(ptbTokenize('the constructor builds')).toEqual(['the', 'constructor', 'builds']);
  expect(parsePythonList("['\\constructor']")).toEqual(['\\constructor']);
});

it('stops looking where ANLS can only be 0', () => {
  const [a, b] = ['a'.repeat(16_000), 'b'.repeat(16_000)];
  const far = timeOf(() => anls(a, [b]));
  const half = timeOf(() => anls(a.slice(0, 8_000), [b.slice(0, 8_000)]));
  expect(anls(a, [b])).toBe(0);
  expect(far / Math.max(half, 1)).toBeLessThan(16);
  // near texts take time with the distance, not with the length
  const near = `${a.slice(1)}b`;
  expect(anls(a, [near])).toBeCloseTo(1 - 1 / 16_000, 3);
});

it('refuses to score a reply that is too long, typed', () => {
  const target = { choices: null, answers: ['x'], answerIndex: null };
  expect(() => scoreReply('anls', target, { text: 'x'.repeat(32_001) })).toThrow(
    expect.objectContaining({ code: 'invalid-input' }) as Error,
  );
  expect(scoreReply('rouge-l', target, { text: 'x '.repeat(16_000) }).score).toBeGreaterThan(0);
});
