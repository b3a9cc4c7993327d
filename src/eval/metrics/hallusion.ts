/**
 * HallusionBench: accuracy over questions (aAcc), over figures with every question right (fAcc), and over questions that
 * are right on every figure that they are asked about (qAcc). The last two are in the details, and mean something only
 * where no `--limit` left some of a group out.
 *
 * Source: Guan et al., "HallusionBench" (2024), and github.com/open-compass/VLMEvalKit, vlmeval/dataset/utils/yorn.py,
 * whose way of reading yes and no is used in the place of the paper's grading by GPT-4: a reply with the word yes and
 * not no is a yes, the other way round a no, all others are wrong.
 */
import { mean } from '../../statistics.js';
import { groupBy } from '../group-by.js';
import { sampleMetric, type ScoredSample } from './metric.js';
import type { YesNo } from './yes-no.js';

/** What a reply says; null for both, and for neither. */
export function hallusionAnswer(reply: string): YesNo | null {
  const words = new Set(reply.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []);
  if (words.has('yes') === words.has('no')) return null;
  return words.has('yes') ? 'yes' : 'no';
}

/** The share of groups all of whose samples are right. A sample's `group` ends with its figure and its question. */
function allRight(samples: readonly ScoredSample[], left: 'figure' | 'question'): number {
  const groups = groupBy(samples, ({ group }) => {
    const parts = (group ?? '').split('/');
    parts.splice(left === 'figure' ? -2 : -1, 1);
    return parts.join('/');
  });
  return mean([...groups.values()].map((own) => (own.every(({ score }) => score === 1) ? 1 : 0)));
}

export const hallusionMetric = sampleMetric({
  name: 'hallusion',
  label: 'aAcc',
  about:
    'yes or no about figures that mislead: accuracy over questions; over figures and question pairs besides',
  scoreReply({ answers: [answer] }, { text }) {
    const right: YesNo = answer === '1' || answer?.toLowerCase() === 'yes' ? 'yes' : 'no';
    return { score: hallusionAnswer(text) === right ? 1 : 0, choice: null };
  },
  meaning: ({ prediction }) => hallusionAnswer(prediction),
  details: (samples) => ({
    fAcc: allRight(samples, 'question'),
    qAcc: allRight(samples, 'figure'),
    unclear: samples.filter(({ prediction }) => hallusionAnswer(prediction) === null).length,
  }),
});
