/**
 * POPE: is an object there? Accuracy, precision, recall and F1 of "yes", and how often "yes" is said.
 *
 * Source: Li et al., "Evaluating object hallucination in large vision-language models" (2023), section 4.
 * As in the authors' code a reply is "no" if its first sentence has the word no or not, and "yes" in every
 * other case, also where it says neither.
 */
import type { YesNo } from './yes-no.js';

export interface PopeScore {
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly yesRatio: number;
}

/** Scores of predictions against labels; a ratio of nothing is 0. */
export function pope(samples: readonly { readonly predicted: YesNo; readonly label: YesNo }[]): PopeScore {
  const count = (predicted: boolean, label: boolean): number =>
    samples.filter((s) => (s.predicted === 'yes') === predicted && (s.label === 'yes') === label).length;
  const [tp, fp, fn, tn] = [count(true, true), count(true, false), count(false, true), count(false, false)];
  const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);
  const [precision, recall] = [ratio(tp, tp + fp), ratio(tp, tp + fn)];
  return {
    accuracy: ratio(tp + tn, samples.length),
    precision,
    recall,
    f1: ratio(2 * precision * recall, precision + recall),
    yesRatio: ratio(tp + fp, samples.length),
  };
}

/** What a reply says, as the authors' code reads it. */
export function popeAnswer(reply: string): YesNo {
  const sentence = (reply.split('.')[0] ?? '').replaceAll(',', '');
  return sentence.split(' ').some((word) => word === 'No' || word === 'no' || word === 'not') ? 'no' : 'yes';
}
