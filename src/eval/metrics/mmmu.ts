/**
 * MMMU: choices by letter, open questions as the benchmark's own code reads them: the tail of each line that says "so",
 * "is", "answer" or "=", and every number in it; a text is right if it holds the answer, a number if it equals the
 * answer to two places.
 *
 * Source: Yue et al., "MMMU" (2024), and github.com/MMMU-Benchmark/MMMU, eval/eval_utils.py. Its random guess for a
 * reply that names no choice is left out: such replies are wrong, and are counted.
 */
import { sampleMetric } from './metric.js';
import { scoreChoice, unreadReplies } from './multiple-choice.js';

const INDICATORS: readonly string[] = [
  ...['could be ', 'so ', 'is ', 'thus ', 'therefore ', 'final ', 'answer ', 'result '],
];
const TRIVIAL: ReadonlySet<string> = new Set([':', ',', '.', '!', '?', ';', "'"]);

/** Numbers as the code finds them; `(?<!\d)` only keeps long runs of digits from being tried at each place. */
const NUMBERS: readonly RegExp[] = [
  /-?\b\d{1,3}(?:,\d{3})+\b/g,
  /-?(?<!\d)\d+(?:\.\d+)?e[+-]?\d+/gi,
  /-?(?:(?<!\d)\d+\.\d+|\.\d+|(?<!\d)\d+\b)(?!e[+-]?\d+)(?![,\d])/gi,
];

/** Whether a reply to an open question is right. */
export function mmmuOpen(reply: string, answers: readonly string[]): 0 | 1 {
  const right = answers.flatMap(normal);
  const said = keyParts(reply)
    .flatMap((part) => [part, ...NUMBERS.flatMap((pattern) => part.match(pattern) ?? [])])
    .flatMap(normal);
  const agrees = said.some((one) =>
    typeof one === 'number'
      ? right.includes(one)
      : right.some((answer) => typeof answer === 'string' && one.includes(answer)),
  );
  return agrees ? 1 : 0;
}

/** The parts of a reply that may be the answer; all of it where nothing points to one. */
function keyParts(reply: string): string[] {
  const text = reply
    .trim()
    .replace(/^\.+|(?<!\.)\.+$/g, '')
    .toLowerCase();
  const lines = text.split('\n');
  const parts = lines.flatMap((line, i) => {
    // only the last line may be an equation
    const indicators = i === lines.length - 1 ? [...INDICATORS, '='] : INDICATORS;
    const tails = indicators
      .filter((indicator) => line.includes(indicator))
      .map((indicator) => line.slice(line.lastIndexOf(indicator) + indicator.length).trim());
    // an empty tail is nothing, and is replaced by whatever comes next
    const shortest = tails.reduce(
      (best, tail) => (best === '' || tail.length < best.length ? tail : best),
      '',
    );
    return shortest === '' || TRIVIAL.has(shortest) ? [] : [shortest];
  });
  return parts.length === 0 ? [text] : parts;
}

/** A number to two places, or the text in lower case; one letter with a space on either side, lest any word hold it. */
function normal(text: string): (string | number)[] {
  const plain = text.trim();
  const digits = plain.replaceAll(',', '');
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(digits)) return [Number(Number(digits).toFixed(2))];
  const lower = plain.toLowerCase();
  return lower.length === 1 ? [` ${lower}`, `${lower} `] : [lower];
}

export const mmmuMetric = sampleMetric({
  name: 'mmmu',
  label: 'accuracy',
  about: "the right choice by letter; open questions by MMMU's own rules",
  scoreReply: (target, reply) =>
    target.choices === null
      ? { score: mmmuOpen(reply.text, target.answers), choice: null }
      : scoreChoice(target, reply),
  details: (samples) => ({ unread: unreadReplies(samples) }),
});
