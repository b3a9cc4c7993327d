/**
 * A-OKVQA's direct answers: a third for each annotator who says exactly the same, at most 1. Nothing is normalised, and
 * no annotator is left out.
 *
 * Source: Schwenk et al., "A-OKVQA" (2022), and the authors' code (github.com/allenai/aokvqa,
 * evaluation/eval_predictions.py).
 */
import { sampleMetric } from './metric.js';

/** The accuracy of one reply, in [0, 1]. */
export function directAnswerAccuracy(reply: string, answers: readonly string[]): number {
  return Math.min(1, answers.filter((answer) => answer === reply).length / 3);
}

export const directAnswerMetric = sampleMetric({
  name: 'direct-answer',
  label: 'accuracy',
  about: 'a third for each annotator who says exactly the same, as A-OKVQA does it',
  scoreReply: ({ answers }, { text }) => ({ score: directAnswerAccuracy(text, answers), choice: null }),
});
