/**
 * The letters of choices that a reply names: one pass over its words. A letter is told from a word that is one letter
 * long (the article "a", the pronoun "I") by what stands around it, and by the same rules for every letter: a rule that
 * is stricter with one of them moves accuracy wherever that letter is right more often.
 */

/** A letter of a choice in a reply. */
export interface LetterMention {
  /** The choice, from 0. */
  readonly choice: number;
  /** What points to it: "the answer is B", `\boxed{B}` · "option B" · marks around it, "(B)", "$B$" · nothing. */
  readonly by: 'answer' | 'option' | 'marks' | 'itself';
  /** "A or B", "C/D": another letter stands beside it as its equal. */
  readonly linked: boolean;
  /** Whether the reply begins with it, or ends. */
  readonly first: boolean;
  readonly last: boolean;
}

interface Token {
  readonly text: string;
  readonly lower: string;
  readonly kind: 'word' | 'mark';
  /** Whether white space stands before it, and whether a line break is in it. */
  readonly spaced: boolean;
  readonly newLine: boolean;
}

const ANSWER_WORDS: ReadonlySet<string> = new Set([
  ...['answer', 'answers', 'boxed', 'choose', 'chose', 'pick', 'select', 'selected'],
]);
const OPTION_WORDS: ReadonlySet<string> = new Set(['option', 'choice', 'letter']);
/** The same in scripts without spaces, where a word is a run. */
const ANSWER_RUN = /答案|正确|选/u;
const OPTION_END = '选项';
/** What may stand between such a word and the letter. */
const BETWEEN: ReadonlySet<string> = new Set(
  'is was be are would should must to the correct right best final text mathrm textbf'.split(' '),
);
/** Words that follow a letter, never an article: verbs, conjunctions, prepositions, pronouns. */
const FOLLOWERS: ReadonlySet<string> = new Set(
  `is isn't was are were be would will should could can may might must has had does did seems appears looks sounds
   fits matches describes shows represents corresponds makes works because since as for due given based if when while
   and or but so then not nor than in on at by to of from with without that which who it this these the i we you he
   she they there here`.split(/\s+/),
);
const LINK_WORDS: ReadonlySet<string> = new Set(['or', 'and', '或', '和', '或者']);
const LINK_MARKS: ReadonlySet<string> = new Set([',', '、', '/', '-', '–', '&', '|']);
/** Marks that make one word of two. */
const JOINERS: ReadonlySet<string> = new Set(['-', '/', '&', "'", '’', '_']);
const SENTENCE_ENDS: ReadonlySet<string> = new Set(['.', '!', '?', ',', ';', '。', '、']);
const PAIRS: ReadonlyMap<string, string> = new Map(
  ['()', '[]', '{}', '<>', '><', '""', "''", '$$', '“”', '‘’', '«»', '「」', '『』', '【】'].map(
    ([a = '', b = '']) => [a, b],
  ),
);
/** Tokens between "answer" and its letter, at most. */
const REACH = 12;

/**
 * The letters that a reply names, in order; those that it rules out ("not A", "A is wrong") are left out.
 * @param count of choices: A, B, … for the first, second, …
 */
export function letterMentions(text: string, count: number): LetterMention[] {
  const tokens = tokensOf(text);
  let words = 0;
  const lastWord = tokens.findLastIndex(({ kind }) => kind === 'word');
  return tokens.flatMap((token, at) => {
    if (token.kind === 'word') words++;
    const choice = choiceOf(token, count);
    if (choice === null || isJoined(tokens, at) || isRuledOut(tokens, at)) return [];
    const marked = isMarked(tokens, at);
    const by = cueOf(tokens, at) ?? (marked ? 'marks' : 'itself');
    const upper = token.text !== token.lower;
    // in running text "a" is an article and "I" a pronoun, whatever follows
    if (by === 'itself' && (!upper || (token.text === 'I' && !ends(tokens, at)))) return [];
    if (!marked && !ends(tokens, at) && !isFollowed(tokens, at)) return [];
    return [{ choice, by, linked: isLinked(tokens, at, count), first: words === 1, last: at === lastWord }];
  });
}

/** Words of Latin letters and digits, runs of other letters, and marks one by one. */
function tokensOf(text: string): Token[] {
  const found = text.matchAll(
    /(\s*)(?:([\p{Script=Latin}\p{N}]+(?:['’][\p{Script=Latin}]+)*|(?:(?!\p{Script=Latin})\p{L})+)|(\S))/gu,
  );
  return Array.from(found, ([, space = '', word, mark = '']) => {
    const own = word ?? mark;
    return {
      text: own,
      lower: own.toLowerCase().replaceAll('’', "'"),
      kind: word === undefined ? 'mark' : 'word',
      spaced: space !== '',
      newLine: space.includes('\n'),
    };
  });
}

function choiceOf(token: Token | undefined, count: number): number | null {
  if (token === undefined || !/^[A-Za-z]$/.test(token.text)) return null;
  const choice = token.text.toUpperCase().charCodeAt(0) - 65;
  return choice < count ? choice : null;
}

/** What before a letter points to it. */
function cueOf(tokens: readonly Token[], at: number): 'answer' | 'option' | null {
  let option = false;
  for (let i = at - 1; i >= Math.max(0, at - REACH); i--) {
    const { kind, text, lower } = tokens[i] ?? { kind: 'mark', text: '.', lower: '.' };
    if (kind === 'mark') {
      if (SENTENCE_ENDS.has(text)) break;
    } else if (ANSWER_WORDS.has(lower) || (!text.endsWith(OPTION_END) && ANSWER_RUN.test(text)))
      return 'answer';
    else if (OPTION_WORDS.has(lower) || text.endsWith(OPTION_END)) option = true;
    // "the correct option is C"
    else if (option && lower === 'correct') return 'answer';
    else if (!BETWEEN.has(lower)) break;
  }
  return option ? 'option' : null;
}

/** "(B)", "$B$", or at the start of a line "B. a dog", or a line of its own. */
function isMarked(tokens: readonly Token[], at: number): boolean {
  const [before, next, after] = [tokens[at - 1], tokens[at + 1], tokens[at + 2]];
  if (before !== undefined && next !== undefined && PAIRS.get(before.text) === next.text) return true;
  const starts = before === undefined || tokens[at]?.newLine === true;
  const listed = next !== undefined && !next.spaced && [')', '.', ':'].includes(next.text);
  return starts && (next?.newLine === true || (listed && (after === undefined || after.spaced)));
}

/** Whether nothing stands behind a letter that could make it an article. */
function ends(tokens: readonly Token[], at: number): boolean {
  const next = tokens[at + 1];
  return next === undefined || next.newLine || next.kind === 'mark';
}

function isFollowed(tokens: readonly Token[], at: number): boolean {
  const [own, next] = [tokens[at], tokens[at + 1]];
  if (own === undefined || next === undefined) return false;
  // "B Red": an article in the midst of a sentence is followed by a small letter
  const capital = own.text !== own.lower && /^\p{Lu}\p{Ll}/u.test(next.text);
  return FOLLOWERS.has(next.lower) || LINK_WORDS.has(next.lower) || (capital && next.kind === 'word');
}

/** "vitamin-B", "B-side": a letter that is a part of a word. */
function isJoined(tokens: readonly Token[], at: number): boolean {
  const own = tokens[at];
  const [before, word] = [tokens[at - 1], tokens[at - 2]];
  const [next, after] = [tokens[at + 1], tokens[at + 2]];
  const joins = (mark: Token | undefined, other: Token | undefined): boolean =>
    mark !== undefined && JOINERS.has(mark.text) && other?.kind === 'word' && other.text.length > 1;
  return (
    (joins(before, word) && before?.spaced === false && own?.spaced === false) ||
    (joins(next, after) && next?.spaced === false && after?.spaced === false)
  );
}

/** "not A", "A is wrong". */
function isRuledOut(tokens: readonly Token[], at: number): boolean {
  let i = at - 1;
  while (i >= at - 3 && (tokens[i]?.kind === 'mark' || OPTION_WORDS.has(tokens[i]?.lower ?? ''))) {
    if (SENTENCE_ENDS.has(tokens[i]?.text ?? '')) break;
    i--;
  }
  const before = tokens[i];
  if (before?.kind === 'word' && (before.lower === 'not' || before.lower.endsWith("n't"))) return true;
  const words = tokens.slice(at + 1, at + 6).filter(({ kind }) => kind === 'word');
  const [first, second] = words.map(({ lower }) => lower);
  if (first === "isn't") return true;
  return (first === 'is' || first === 'was') && ['wrong', 'incorrect', 'false', 'not'].includes(second ?? '');
}

/** "A or B", "C/D": on either side. */
function isLinked(tokens: readonly Token[], at: number, count: number): boolean {
  return [1, -1].some((step) => {
    let i = at + step;
    // "(A) or (B)", "option A or option B"
    const skip = (): void => {
      while (isAround(tokens[i])) i += step;
    };
    skip();
    const link = tokens[i];
    if (link === undefined || !(LINK_WORDS.has(link.lower) || LINK_MARKS.has(link.text))) return false;
    i += step;
    skip();
    const other = choiceOf(tokens[i], count);
    if (other === null || other === choiceOf(tokens[at], count)) return false;
    const [own, its] = [tokens[at], tokens[i]];
    const sameCase = (own?.text === own?.lower) === (its?.text === its?.lower);
    // "B, A dog" goes on with an article; "C-B flat" names two
    const later = Math.max(at, i);
    const standsAlone = LINK_MARKS.has(link.text) && link.text !== ',';
    return sameCase && (standsAlone || ends(tokens, later) || isFollowed(tokens, later));
  });
}

function isAround(token: Token | undefined): boolean {
  if (token === undefined) return false;
  return token.kind === 'mark' ? /[()[\]{}"'“”‘’$*]/u.test(token.text) : OPTION_WORDS.has(token.lower);
}
