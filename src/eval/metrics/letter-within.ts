/**
 * Multiple choice as FastV's authors score A-OKVQA: right if the reply holds the letter, a capital, anywhere. With replies of
 * one token that does no harm; of longer ones "A cat" would be right for A, and "ABCD" for all.
 *
 * Source: github.com/pkunlp-icler/FastV, src/FastV/inference/eval/inference_aokvqa.py.
 */
import { sampleMetric } from './metric.js';
import { choiceMeaning, letter, parseChoice, scoreChoice } from './multiple-choice.js';

export const letterWithinMetric = sampleMetric({
  name: 'letter-within',
  label: 'accuracy',
  about: "whether the reply holds the right choice's letter, as FastV scores A-OKVQA",
  meaning: choiceMeaning,
  scoreReply(target, reply) {
    if (reply.logLikelihoods !== undefined) return scoreChoice(target, reply);
    const right = target.answerIndex !== null && reply.text.includes(letter(target.answerIndex));
    return { score: right ? 1 : 0, choice: parseChoice(reply.text, target.choices ?? []) };
  },
});
