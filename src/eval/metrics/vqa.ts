/**
 * VQA accuracy with the official normalisation: an answer is as right as three of the other nine
 * annotators agree with it, averaged over the choice of the nine.
 *
 * Source: Antol et al., "VQA: visual question answering" (2015), and the evaluation code published
 * with it, whose quirks are part of the number that everyone compares:
 * - answers are normalised only where the annotators do not all say the same (`when: 'disagreement'`);
 *   TextVQA's and OK-VQA's code normalises always (`when: 'always'`), and takes commas and question marks out
 *   before, a space set before 's (EvalAI's `word_tokenize`);
 * - at most 32 full stops are taken out, because a flag is passed where a count is meant;
 * - punctuation that has a space beside it anywhere in the text vanishes, other punctuation becomes a
 *   space; if the text has a comma between digits, all of it vanishes.
 */
import { sampleMetric } from './metric.js';

/** Contractions, as they should be. The table of the evaluation code has each with one apostrophe left out. */
const CONTRACTIONS = `ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
  haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've
  mustn't needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've
  somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's
  there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't
  what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're
  why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've`;

const EXPANSIONS: ReadonlyMap<string, string> = new Map([
  ...CONTRACTIONS.split(/\s+/).flatMap((right) =>
    [...right.matchAll(/'/g)].map(
      ({ index }) => [right.slice(0, index) + right.slice(index + 1), right] as const,
    ),
  ),
  // the evaluation code has this one the wrong way round
  ["somebody'd", 'somebodyd'],
]);

const NUMBERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    none: '0',
    zero: '0',
    one: '1',
    two: '2',
    three: '3',
    four: '4',
    five: '5',
    six: '6',
    seven: '7',
    eight: '8',
    nine: '9',
    ten: '10',
  }),
);
const ARTICLES: ReadonlySet<string> = new Set(['a', 'an', 'the']);
const PUNCTUATION = Array.from(';/[]"{}()=+\\_-><@`,?!');
const MAX_FULL_STOPS = 32;

/** An answer as the evaluation compares it: no articles, numbers in digits, contractions with apostrophe. */
export function normalizeVqaAnswer(answer: string): string {
  const text = oneLine(answer);
  const hasNumberComma = /\d,\d/.test(text);
  let out = text;
  for (const mark of PUNCTUATION) {
    // most answers have none
    if (!text.includes(mark)) continue;
    const loose = text.includes(`${mark} `) || text.includes(` ${mark}`);
    out = out.replaceAll(mark, loose || hasNumberComma ? '' : ' ');
  }
  let stops = 0;
  out = out.replace(/\.(?!\d)/g, (stop) => (stops++ < MAX_FULL_STOPS ? '' : stop));
  return out
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => NUMBERS.get(word) ?? word)
    .filter((word) => !ARTICLES.has(word))
    .map((word) => EXPANSIONS.get(word) ?? word)
    .join(' ');
}

/** When answers are normalised: only where annotators disagree (VQAv2's code), or always (TextVQA's). */
export type VqaNormalization = 'disagreement' | 'always';

/**
 * VQA accuracy of one prediction, in [0, 1].
 * @param answers the annotators' answers, usually ten
 */
export function vqaAccuracy(
  prediction: string,
  answers: readonly string[],
  when: VqaNormalization = 'disagreement',
): number {
  if (answers.length === 0) return 0;
  const plain = answers.map(oneLine);
  const normalize = when === 'always' || new Set(plain).size > 1;
  const normal = (text: string): string =>
    !normalize ? oneLine(text) : normalizeVqaAnswer(when === 'always' ? evalAiWords(text) : text);
  const said = normal(prediction);
  const given = answers.map(normal);
  const same = given.filter((a) => a === said).length;
  // with annotator i left out, `same` loses one if i said so too
  const each = given.map((a) => Math.min(1, (same - (a === said ? 1 : 0)) / 3));
  return each.reduce((sum, v) => sum + v, 0) / each.length;
}

/** What TextVQA's code does first: "new york,ny's" → "new yorkny 's". */
function evalAiWords(text: string): string {
  return text.toLowerCase().replaceAll(',', '').replaceAll('?', '').replaceAll("'s", " 's").trim();
}

function oneLine(text: string): string {
  return text.replace(/[\n\t]/g, ' ').trim();
}

/** VQAv2. */
export const vqaMetric = sampleMetric({
  name: 'vqa',
  label: 'VQA accuracy',
  about: 'how many of ten annotators say the same, normalised where they disagree, as VQAv2 does it',
  scoreReply: ({ answers }, { text }) => ({
    score: vqaAccuracy(text, answers, 'disagreement'),
    choice: null,
  }),
  meaning: ({ prediction }) => normalizeVqaAnswer(prediction),
});

/** TextVQA, OK-VQA. */
export const vqaAlwaysMetric = sampleMetric({
  name: 'vqa-always',
  label: 'VQA accuracy',
  about: 'how many of ten annotators say the same, always normalised, as TextVQA does it',
  scoreReply: ({ answers }, { text }) => ({ score: vqaAccuracy(text, answers, 'always'), choice: null }),
  meaning: ({ prediction }) => normalizeVqaAnswer(prediction),
});
