/**
 * How long texts may be that are scored. Metrics that compare token with token take time with the product of the
 * lengths, and replies and references come from strangers: within these limits the slowest takes about a second.
 */
import { FastvError } from '../../errors.js';

/** UTF-16 units. */
export const TEXT_LIMITS = {
  /** Of a reply. */
  reply: 32_000,
  /** Of one answer or choice. */
  answer: 16_000,
  /** Of all answers and choices of a sample together. */
  answers: 50_000,
} as const;

/** What is too long about the texts that replies are scored against; null if nothing is. */
export function tooLongToScore(texts: readonly string[]): string | null {
  const longest = texts.reduce((most, { length }) => Math.max(most, length), 0);
  if (longest > TEXT_LIMITS.answer)
    return `a text to score against has ${longest} characters, at most ${TEXT_LIMITS.answer} are compared`;
  const all = texts.reduce((sum, { length }) => sum + length, 0);
  if (all <= TEXT_LIMITS.answers) return null;
  return `the texts to score against have ${all} characters, at most ${TEXT_LIMITS.answers} are compared`;
}

/** @throws {FastvError} `invalid-input` for a reply too long to be scored */
export function checkReply(reply: string): void {
  if (reply.length <= TEXT_LIMITS.reply) return;
  throw new FastvError(
    'invalid-input',
    `the reply has ${reply.length} characters, at most ${TEXT_LIMITS.reply} are scored`,
    { hint: "lower the task's maxTokens, or see --on-error to skip such samples" },
  );
}
