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

const BRACKETS: ReadonlyMap<string, string> = new Map(
  Object.entries({ '(': '-lrb-', ')': '-rrb-', '[': '-lsb-', ']': '-rsb-', '{': '-lcb-', '}': '-rcb-' }),
);

/** Words that end with a full stop of their own. */
const ABBREVIATIONS =
  'mr|mrs|ms|dr|prof|rev|gen|gov|sen|rep|col|capt|lt|sgt|st|mt|ft|jr|sr|bros|inc|ltd|co|corp|etc|vs|ave|blvd|rd|dept|est|approx|jan|feb|mar|apr|aug|sept|sep|oct|nov|dec';

/** The same, but only before a number: "no. 5", not "is it red? no." */
const NUMBER_ABBREVIATIONS = 'nos?|figs?|vols?|pp?|arts?|secs?';

/** Two words that are written as one, and where they part. */
const COMPOUNDS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ cannot: 3, gonna: 3, gotta: 3, lemme: 3, gimme: 3, wanna: 3 },
    ...{ "d'ye": 2, "'tis": 2, "'twas": 2 },
  }),
);

/** What is split off a word's end: don't → do n't, dog's → dog 's. */
const CLITIC = /(?:n't|'(?:s|m|d|re|ve|ll))$/u;

const LETTER = '\\p{L}\\p{M}';
const WORD = `[${LETTER}\\p{N}]`;

/**
 * One alternative a rule; the longest sensible reading comes first. Each reads a character a bounded number of times,
 * whatever the text: captions come from strangers.
 */
const TOKEN = new RegExp(
  [
    // a URL or an e-mail address
    '(?:https?://|www\\.)[^\\s"<>]{1,2000}[^\\s"<>.,;:!?)]',
    // (the part before the @ has 64 characters at most, RFC 5321)
    '[\\w.+-]{1,64}@[\\w-]{1,63}(?:\\.[\\w-]{1,63}){1,8}',
    // 1/2, and numbers with separators: 1,000 3.5 10:30 -5 .5
    '\\d+/\\d+(?![\\p{L}\\d/])',
    // (3.5mm is two tokens, 10kg is one)
    "[-+]?\\d*(?:[.,:]\\d+)+|[-+]?\\d+(?![\\p{L}\\d/_-]|'\\p{L})",
    // initials: u.s. p.m. d.c.
    `(?:[${LETTER}]\\.){2,}`,
    `(?:${ABBREVIATIONS})\\.(?![\\p{L}\\d])`,
    `(?:${NUMBER_ABBREVIATIONS})\\.(?=\\s?\\d)`,
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
  for (const [token] of plain.matchAll(TOKEN)) for (const part of split(token)) tokens.push(part);
  return tokens.filter((t) => !PUNCTUATION.has(t) && t !== '"');
}

/** Parts a token as the Treebank does, and escapes it. */
function split(token: string): string[] {
  const bracket = BRACKETS.get(token);
  if (bracket !== undefined) return [bracket];
  if (/^(?:-{2,}|[–—])$/u.test(token)) return ['--'];
  if (/^(?:\.{2,}|…)$/u.test(token)) return ['...'];
  if (/^(?:https?:|www\.)/.test(token) || token.indexOf('@') > 0) return [token];
  const clitics: string[] = [];
  let end = token.length;
  for (;;) {
    if (end < 8 && COMPOUNDS.has(token.slice(0, end))) break;
    // no clitic is longer than three characters
    const clitic = CLITIC.exec(token.slice(Math.max(0, end - 3), end))?.[0];
    if (clitic === undefined || clitic.length >= end) break;
    clitics.push(clitic);
    end -= clitic.length;
  }
  const stem = token.slice(0, end);
  const at = COMPOUNDS.get(stem);
  const stems = at === undefined ? [stem.replace(/[/*]/g, '\\$&')] : [stem.slice(0, at), stem.slice(at)];
  return stems.concat(clitics.reverse());
}
