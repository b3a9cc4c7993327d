/**
 * POPE: is an object there? Accuracy, precision, recall and F1 of "yes", and how often "yes" is said.
 *
 * Source: Li et al., "Evaluating object hallucination in large vision-language models" (2023), section 4.
 * As in the authors' code a reply is "no" if its first sentence has the word no or not, and "yes" in every
 * other case, also where it says neither.
 */
import { mean } from '../../statistics.js';
import { groupBy } from '../group-by.js';
import type { Metric, ScoredSample, StratumMeans } from './metric.js';
import { parseYesNo, type YesNo } from './yes-no.js';

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

/** F1 from the shares of true positives, false positives and false negatives. */
export function f1([[tp = NaN, fp = 0, fn = 0] = []]: StratumMeans): number {
  const said = 2 * tp + fp + fn;
  return said === 0 ? 0 : (2 * tp) / said;
}

/** F1 over all questions; the papers print it for each category (adversarial, popular, random) and their mean. */
export const popeMetric: Metric<'pope'> = {
  name: 'pope',
  label: 'F1',
  about: 'whether objects that are not there are seen: F1 of yes, replies read as POPE reads them',
  unit: 'percent',
  higherIsBetter: true,
  scoreReply: ({ answers }, { text }) => ({
    score: popeAnswer(text) === parseYesNo(answers[0] ?? '') ? 1 : 0,
    choice: null,
  }),
  meaning: ({ prediction }) => popeAnswer(prediction),
  units: (samples) =>
    samples.map((sample, i) => {
      const { predicted, label } = judged(sample);
      const is = (p: YesNo, l: YesNo): number => (predicted === p && label === l ? 1 : 0);
      return { samples: [i], values: [is('yes', 'yes'), is('yes', 'no'), is('no', 'yes')] };
    }),
  score: f1,
  details(samples) {
    const { accuracy, precision, recall, yesRatio } = pope(samples.map(judged));
    const categories = [...groupBy(samples, ({ category }) => category).entries()];
    const unclear = samples.filter((s) => parseYesNo(s.prediction) === null).length;
    const ofEach = categories.map(([, members]) => pope(members.map(judged)).f1);
    return {
      ...{ accuracy, precision, recall, yesRatio, unclear },
      ...(categories.length > 1 ? { 'F1, mean of categories': mean(ofEach) } : {}),
    };
  },
};

function judged({ prediction, answers }: ScoredSample): { predicted: YesNo; label: YesNo } {
  return { predicted: popeAnswer(prediction), label: parseYesNo(answers[0] ?? '') ?? 'no' };
}
