/**
 * MMMU: choices by letter, open questions as the benchmark's own code reads them: the tail of each line that says "so",
 * "is", "answer" or "=", and every number in it; a text is right if it holds the answer, a number if it equals the
 * answer to two places.
 *
 * Source: Yue et al., "MMMU" (2024), and github.com/MMMU-Benchmark/MMMU, eval/eval_utils.py. Its random guess for a
 * reply that names no choice is left out: such replies are wrong, and are counted.
 */
import { mean } from '../../statistics.js';
import { groupBy } from '../group-by.js';
import { sampleMetric, type ScoredSample } from './metric.js';
import { choiceMeaning, scoreChoice, unreadReplies } from './multiple-choice.js';

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

/** The six disciplines of the benchmark's tables, by their subjects as ids name them. */
const DISCIPLINES: Readonly<Record<string, string>> = {
  'Art & Design': 'Art Art_Theory Design Music',
  Business: 'Accounting Economics Finance Manage Marketing',
  Science: 'Biology Chemistry Geography Math Physics',
  'Health & Medicine':
    'Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine Pharmacy Public_Health',
  'Humanities & Social Science': 'History Literature Psychology Sociology',
  'Tech & Engineering':
    'Agriculture Architecture_and_Engineering Computer_Science Electronics Energy_and_Power Materials Mechanical_Engineering',
};
const DISCIPLINE_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(DISCIPLINES).flatMap(([name, subjects]) =>
    subjects.split(' ').map((subject) => [subject, name] as const),
  ),
);

function byDiscipline(samples: readonly ScoredSample[]): Record<string, number> {
  const groups = groupBy(samples, ({ category }) => DISCIPLINE_OF.get(category ?? ''));
  const named = [...groups].flatMap(([name, own]) =>
    name === undefined ? [] : [[name, mean(own.map(({ score }) => score ?? 0))] as const],
  );
  return Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const mmmuMetric = sampleMetric({
  name: 'mmmu',
  label: 'accuracy',
  about: "the right choice by letter; open questions by MMMU's own rules",
  scoreReply: (target, reply) =>
    target.choices === null
      ? { score: mmmuOpen(reply.text, target.answers), choice: null }
      : scoreChoice(target, reply),
  meaning: choiceMeaning,
  details: (samples) => ({ unread: unreadReplies(samples), ...byDiscipline(samples) }),
});
