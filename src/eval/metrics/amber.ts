/**
 * AMBER's discriminative questions: F1 of "no", for what is asked about is mostly not there; accuracy, precision and
 * recall in the details.
 *
 * Source: Wang et al., "AMBER: an LLM-free multi-dimensional benchmark for MLLMs hallucination evaluation" (2023), and
 * the authors' code (github.com/junyangwang0410/AMBER, inference.py). The code takes "Yes" and "No" only; a reply that
 * holds yes is read as one here, else one that holds no, as lmms-eval's copy of it does. The code adds 0.0001 to the
 * divisor of F1 and rounds before; neither is done here.
 */
import { mean } from '../../statistics.js';
import type { Metric, ScoredSample } from './metric.js';
import { f1 } from './pope.js';
import type { YesNo } from './yes-no.js';

/** What a reply says; null for neither. */
export function amberAnswer(reply: string): YesNo | null {
  const text = reply.toLowerCase();
  return text.includes('yes') ? 'yes' : text.includes('no') ? 'no' : null;
}

/** True and false "no", and "no" that were not said. */
function counts({ prediction, answers }: ScoredSample): readonly [number, number, number] {
  const [said, right] = [amberAnswer(prediction) === 'no', answers[0] !== 'yes'];
  return [said && right ? 1 : 0, said && !right ? 1 : 0, !said && right ? 1 : 0];
}

export const amberMetric: Metric<'amber'> = {
  name: 'amber',
  label: 'F1 of no',
  about: 'yes or no about what may not be there: F1 of no, as AMBER does it',
  unit: 'percent',
  higherIsBetter: true,
  scoreReply: ({ answers }, { text }) => ({
    score: amberAnswer(text) === (answers[0] === 'yes' ? 'yes' : 'no') ? 1 : 0,
    choice: null,
  }),
  meaning: ({ prediction }) => amberAnswer(prediction),
  units: (samples) => samples.map((sample, i) => ({ samples: [i], values: counts(sample) })),
  score: f1,
  details(samples) {
    const [tp = 0, fp = 0, fn = 0] = [0, 1, 2].map((i) => mean(samples.map((s) => counts(s)[i] ?? 0)));
    const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);
    return {
      accuracy: mean(samples.map(({ score }) => score ?? 0)),
      precision: ratio(tp, tp + fp),
      recall: ratio(tp, tp + fn),
      unclear: samples.filter(({ prediction }) => amberAnswer(prediction) === null).length,
    };
  },
};
