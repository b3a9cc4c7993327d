/**
 * Penn Treebank tokens of a caption as the COCO caption code has them: Stanford's PTBTokenizer 3.4.1
 * with `-preserveLines -lowerCase`, then its list of punctuation removed.
 *
 * Rules, in this order:
 * 1. quotes, curly and straight, separate from words and vanish;
 * 2. contractions split: don't → do n't, dog's → dog 's, cannot → can not, gonna → gon na;
 * 3. numbers (1,000 · 3.5 · 10:30), hyphenated words and words joined by a slash stay one token;
 *    the slash and the star are escaped (\/ and \*), as the Treebank has them;
 * 4. abbreviations (mr. · u.s. · p.m.) keep their full stop, a sentence's last word does not;
 * 5. brackets become -lrb-, -rrb-, -lsb-, …: the reference lists them in capitals but lowers them
 *    first, so they stay in the caption, and they stay here too;
 * 6. runs of ? and ! are one token, which is punctuation only if it is one character long.
 *
 * Limits: Stanford's lexer has hundreds of rules for URLs, markup, dates, phone numbers and rare
 * abbreviations; of those only whole URLs and e-mail addresses are known here. Captions have none.
 */

/** What the reference code removes; `-LRB-` and so on are on its list, but never occur in lower case. */
const PUNCTUATION: ReadonlySet<string> = new Set([
  ...["''", "'", '``', '`', '.', '?', '!', ',', ':', '-', '--', '...', ';'],
]);

const BRACKETS: Readonly<Record<string, string>> = {
  '(': '-lrb-',
  ')': '-rrb-',
  '[': '-lsb-',
  ']': '-rsb-',
  '{': '-lcb-',
  '}': '-rcb-',
};

/** Words that end with a full stop of their own. */
const ABBREVIATIONS =
  'mr|mrs|ms|dr|prof|rev|gen|gov|sen|rep|col|capt|lt|sgt|st|mt|ft|jr|sr|bros|inc|ltd|co|corp|etc|vs|no|ave|blvd|rd|dept|est|fig|approx|jan|feb|mar|apr|aug|sept|sep|oct|nov|dec';

/** Two words that are written as one, and where they part. */
const COMPOUNDS: Readonly<Record<string, number>> = {
  cannot: 3,
  gonna: 3,
  gotta: 3,
  lemme: 3,
  gimme: 3,
  wanna: 3,
  "d'ye": 2,
  "'tis": 2,
  "'twas": 2,
};

const LETTER = '\\p{L}\\p{M}';
const WORD = `[${LETTER}\\p{N}]`;

/** One alternative a rule; the longest sensible reading comes first. */
const TOKEN = new RegExp(
  [
    // a URL or an e-mail address
    '(?:https?://|www\\.)[^\\s"<>]+[^\\s"<>.,;:!?)]',
    '[\\w.+-]+@[\\w-]+(?:\\.[\\w-]+)+',
    // 1/2, and numbers with separators: 1,000 3.5 10:30 -5 .5
    '\\d+/\\d+(?![\\p{L}\\d/])',
    '[-+]?\\d*(?:[.,:]\\d+)+(?![\\p{L}])|[-+]?\\d+(?:[.,:]\\d+)*(?![\\p{L}\\d-])',
    // initials: u.s. p.m. d.c.
    `(?:[${LETTER}]\\.){2,}`,
    `(?:${ABBREVIATIONS})\\.(?!\\S*\\w\\.?\\w)`,
    // at&t
    `[${LETTER}]+(?:&[${LETTER}]+)+`,
    // words, also hyphenated, joined by a slash or with an apostrophe inside: t-shirt black/white o'clock
    `'(?:tis|twas)(?!${WORD})`,
    `'\\d0s`,
    `'n'`,
    `${WORD}+(?:[-_/]${WORD}+|'${WORD}+)*`,
    // dashes, dots, question and exclamation marks
    '-{2,}|[–—]',
    '\\.{2,}|…',
    '[?!]+',
    "``|''",
    '\\S',
  ].join('|'),
  'gu',
);

/** The tokens of a caption, lower case and without punctuation. */
export function ptbTokenize(text: string): string[] {
  const plain = text
    .toLowerCase()
    .replace(/[‘’]/gu, "'")
    .replace(/[“”„«»"]/gu, ' " ')
    .replace(/&amp;/g, '&');
  const tokens: string[] = [];
  for (const [token] of plain.matchAll(TOKEN)) tokens.push(...split(token));
  return tokens.filter((t) => !PUNCTUATION.has(t) && t !== '"');
}

/** Parts a token as the Treebank does, and escapes it. */
function split(token: string): string[] {
  const bracket = BRACKETS[token];
  if (bracket !== undefined) return [bracket];
  if (/^(?:-{2,}|[–—])$/u.test(token)) return ['--'];
  if (/^(?:\.{2,}|…)$/u.test(token)) return ['...'];
  if (/^(?:https?:|www\.)|@./.test(token)) return [token];
  const at = COMPOUNDS[token];
  if (at !== undefined) return [token.slice(0, at), token.slice(at)];
  const contraction = /^(.+?)(n't|'(?:s|m|d|re|ve|ll))((?:'(?:s|m|d|re|ve|ll))?)$/u.exec(token);
  if (contraction !== null) {
    const [, stem = '', first = '', second = ''] = contraction;
    return [...split(stem), first, ...(second === '' ? [] : [second])];
  }
  return [token.replace(/[/*]/g, '\\$&')];
}
