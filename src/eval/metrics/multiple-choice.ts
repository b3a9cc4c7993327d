/** Multiple choice: by the letter that a model wrote, or by the log-likelihood of each choice. */
import { FastvError } from '../../errors.js';
import { normalizeText, exactMatch } from './exact-match.js';
import { letterMentions, type LetterMention } from './letter-mentions.js';
import { sampleMetric, type Reply, type Scored, type ScoredSample, type Target } from './metric.js';

/** A, B, C, … for choice 0, 1, 2, … */
export function letter(index: number): string {
  return String.fromCharCode(65 + index);
}

/**
 * The choice that a reply names, or null if it names none, or more than one.
 *
 * In this order: the reply is a letter, whatever marks surround it ("B", "(b)", "**B**", "$B$"); it says which ("the
 * answer is B", "\boxed{B}", "<answer>B</answer>"; the last counts); it names one option ("option B fits"); it starts
 * with a letter and a mark ("B. a cat"); it is a choice's text; it ends with a dressed letter ("… so (B)."); it holds
 * exactly one letter that is no article; it holds exactly one choice's text. Two letters as equals ("A or B", "C/D") are
 * none. Every letter is read by the same rules, but that "I" in running text is the pronoun.
 */
export function parseChoice(reply: string, choices: readonly string[]): number | null {
  const text = reply
    .normalize('NFKC')
    .replace(/[*_`#]+/g, '')
    .trim();
  const bare = /^[\p{P}\p{S}\s]*([A-Za-z])[\p{P}\p{S}\s]*$/u.exec(text)?.[1];
  if (bare !== undefined) {
    const index = bare.toUpperCase().charCodeAt(0) - 65;
    if (index < choices.length) return index;
  }

  const mentions = letterMentions(text, choices.length);
  const by = (cue: LetterMention['by']): LetterMention[] => mentions.filter((m) => m.by === cue);
  const answer = by('answer').at(-1);
  if (answer !== undefined) return answer.linked ? null : answer.choice;
  const options = by('option');
  if (options.length > 0) return only(options);
  const [first] = mentions;
  if (first?.first === true && first.by === 'marks') return first.linked ? null : first.choice;

  const normalized = normalizeText(text);
  const equal = choices.findIndex((choice) => normalizeText(choice) === normalized);
  if (equal !== -1) return equal;
  const last = mentions.at(-1);
  if (last?.last === true && last.by === 'marks' && !last.linked) return last.choice;
  if (mentions.length > 0) return only(mentions);
  return choiceWithin(normalized, choices);
}

/** The one choice that mentions agree on. */
function only(mentions: readonly LetterMention[]): number | null {
  const [choice, ...others] = new Set(mentions.map((m) => m.choice));
  return choice === undefined || others.length > 0 || mentions.some((m) => m.linked) ? null : choice;
}

/** The one choice whose text a reply holds as whole words; of choices inside one another the longest counts. */
function choiceWithin(normalized: string, choices: readonly string[]): number | null {
  const words = (text: string): string => ` ${text.replace(/[^\p{L}\p{N}]+/gu, ' ').trim()} `;
  const reply = words(normalized);
  const texts = choices.map((choice) => words(normalizeText(choice)));
  const held = texts.flatMap((own, i) => (own.trim() !== '' && reply.includes(own) ? [i] : []));
  const longest = held.filter(
    (i) => !held.some((j) => j !== i && texts[j]?.includes(texts[i] ?? '') === true),
  );
  const [choice, ...others] = longest;
  return choice === undefined || others.length > 0 ? null : choice;
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

/** The choice that a reply takes, by letter or by likelihood, against the right one. */
export function scoreChoice({ choices, answerIndex }: Target, { text, logLikelihoods }: Reply): Scored {
  const choice = logLikelihoods === undefined ? parseChoice(text, choices ?? []) : bestChoice(logLikelihoods);
  return { score: choice !== null && choice === answerIndex ? 1 : 0, choice };
}

/** The choice taken: "B" and "B. a dog" mean the same. Null for a reply that names none, and for an open question. */
export function choiceMeaning({ choice = null }: ScoredSample): string | null {
  return choice === null ? null : letter(choice);
}

/** How many replies name no choice: a model that has lost the form of an answer, not the ability. */
export function unreadReplies(samples: readonly ScoredSample[]): number {
  return samples.filter(({ options = null, choice = null }) => options !== null && choice === null).length;
}

/** Choices by letter; questions without choices, as some tasks have them, by exact match. */
export const multipleChoiceMetric = sampleMetric({
  name: 'multiple-choice',
  label: 'accuracy',
  about: 'whether the reply names the right choice (rows without choices: exact match)',
  scoreReply: (target, reply) =>
    target.choices === null
      ? { score: exactMatch(reply.text, target.answers), choice: null }
      : scoreChoice(target, reply),
  meaning: choiceMeaning,
  details: (samples) => ({ unread: unreadReplies(samples) }),
});
