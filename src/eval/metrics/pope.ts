/**
 * POPE: is an object there? Accuracy, precision, recall and F1 of "yes", and how often "yes" is said.
 *
 * Source: Li et al., "Evaluating object hallucination in large vision-language models" (2023), section 4.
 * A reply that says neither counts as "no", as in the authors' code, which looks only for "no" and "not"
 * in the other direction; `unparsed` says how many there were.
 */
import type { YesNo } from './yes-no.js';

export interface PopeScore {
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly yesRatio: number;
  readonly unparsed: number;
}

/** Scores of predictions against labels; a ratio of nothing is 0. */
export function pope(
  samples: readonly { readonly predicted: YesNo | null; readonly label: YesNo }[],
): PopeScore {
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
    unparsed: samples.filter((s) => s.predicted === null).length,
  };
}
