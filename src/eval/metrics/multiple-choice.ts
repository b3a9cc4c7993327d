/** Multiple choice: by the letter that a model wrote, or by the log-likelihood of each choice. */
import { FastvError } from '../../errors.js';
import { normalizeText } from './exact-match.js';

/** A, B, C, … for choice 0, 1, 2, … */
export function letter(index: number): string {
  return String.fromCharCode(65 + index);
}

/**
 * The choice that a reply names, or null if it names none, or more than one.
 *
 * In this order: the reply is a letter, bare or dressed ("B", "(b)", "B.", "**B**"); it says which
 * ("the answer is B", "option (B)"); it starts with a letter and a mark ("B. a cat"); it is a choice's
 * text; it ends with a dressed letter ("… so (B)."); it holds exactly one dressed or capital letter
 * (not the article "A" or the pronoun "I"); it holds exactly one choice's text.
 */
export function parseChoice(reply: string, choices: readonly string[]): number | null {
  const text = reply
    .normalize('NFKC')
    .replace(/[*_`#]+/g, '')
    .trim();
  const last = letter(choices.length - 1);
  const range = `[A-${last}a-${last.toLowerCase()}]`;
  const index = (found: string | undefined): number | null =>
    found === undefined ? null : found.toUpperCase().charCodeAt(0) - 65;
  const first = (pattern: string, flags = 'u'): number | null =>
    index(new RegExp(pattern, flags).exec(text)?.[1]);

  const bare = first(`^[\\s([{"']*(${range})[\\s)\\]}"'.:,;!]*$`);
  if (bare !== null) return bare;
  const said = [
    ...text.matchAll(
      new RegExp(
        `(?:answer|choice|option|letter)(?:\\s+(?:is|would be|should be))?\\s*[:=]?\\s*(?:option\\s+|choice\\s+)?[("'\\[]*(${range})(?![\\p{L}\\p{N}'])`,
        'giu',
      ),
    ),
  ].filter((m) => !/\bis\s+a\s+\p{L}/iu.test(text.slice(m.index, m.index + m[0].length + 3)));
  if (said.length > 0) return index(said.at(-1)?.[1]);
  const leading = first(`^\\(?(${range})[).:,](?:\\s|$)`) ?? first(`^\\((${range})\\)`);
  if (leading !== null) return leading;
  const normalized = normalizeText(text);
  const equal = choices.findIndex((choice) => normalizeText(choice) === normalized);
  if (equal !== -1) return equal;
  const trailing = first(`\\((${range})\\)[.\\s]*$`);
  if (trailing !== null) return trailing;

  const single = (found: readonly number[]): number | null => {
    const [one, ...others] = new Set(found);
    return one !== undefined && others.length === 0 ? one : null;
  };
  const capitals = [
    ...text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}'])(?:\\(${range}\\)|[A-${last}](?=[).:,;\\s]|$))`, 'gu')),
  ]
    .map((m) => m[0].replace(/[()]/g, ''))
    .filter((c) => !((c === 'A' || c === 'I') && !text.includes(`(${c})`) && isArticle(text, c)))
    .map((c) => c.toUpperCase().charCodeAt(0) - 65);
  const capital = single(capitals);
  if (capital !== null || capitals.length > 0) return capital;
  const held = choices.flatMap((choice, i) => (contains(normalized, normalizeText(choice)) ? [i] : []));
  // of choices inside one another ("cat", "cat and dog") the longest counts
  const longest = held.filter(
    (i) => !held.some((j) => j !== i && contains(norm(choices[j]), norm(choices[i]))),
  );
  return single(longest);
}

/** The choice with the highest score; the first of equals. @throws FastvError if there is none, or a NaN */
export function bestChoice(logLikelihoods: readonly number[]): number {
  if (logLikelihoods.length === 0 || logLikelihoods.some(Number.isNaN)) {
    throw new FastvError('invalid-input', 'multiple choice: every choice needs a log-likelihood', {
      where: `[${logLikelihoods.join(', ')}]`,
    });
  }
  return logLikelihoods.reduce(
    (best, value, i) => (value > (logLikelihoods[best] ?? -Infinity) ? i : best),
    0,
  );
}

function norm(text: string | undefined): string {
  return normalizeText(text ?? '');
}

/** Whether `text` has `part` as whole words. */
function contains(text: string, part: string): boolean {
  return (
    part !== '' &&
    ` ${text.replace(/[^\p{L}\p{N}]+/gu, ' ')} `.includes(` ${part.replace(/[^\p{L}\p{N}]+/gu, ' ')} `)
  );
}

/** A capital A or I that is followed by a word is an article or a pronoun. */
function isArticle(text: string, capital: string): boolean {
  return new RegExp(`(?<![\\p{L}\\p{N}(])${capital}\\s+\\p{L}`, 'u').test(text);
}
