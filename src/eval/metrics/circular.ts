/**
 * CircularEval: a question is asked once for each of its choices, the choices turned by one place each time, and is
 * right only if every copy is answered right: guessing and a liking for one letter do not pay.
 *
 * Source: Liu et al., "MMBench: is your multi-modal model an all-around player?" (2024), section 4.3.
 */
import { FastvError } from '../../errors.js';
import { groupBy } from '../group-by.js';
import { meanScore, type Metric, type ScoredSample } from './metric.js';
import { choiceMeaning, scoreChoice, unreadReplies } from './multiple-choice.js';

/** Questions with all their copies; samples of one `group` are copies of one question. */
export const circularMetric: Metric<'circular'> = {
  name: 'circular',
  label: 'circular accuracy',
  about: 'whether every copy of a question, its choices turned, is answered right, as MMBench does it',
  unit: 'percent',
  higherIsBetter: true,
  scoreReply: scoreChoice,
  meaning: choiceMeaning,
  units: (samples) =>
    copiesOf(samples).map((places) => ({
      samples: places,
      values: [places.every((place) => samples[place]?.score === 1) ? 1 : 0],
    })),
  score: meanScore,
  details: (samples) => ({
    'accuracy of single copies': samples.filter(({ score }) => score === 1).length / samples.length,
    unread: unreadReplies(samples),
  }),
  whole(samples) {
    const complete = new Set(
      copiesOf(samples).flatMap((places) =>
        places.length >= (samples[places[0] ?? -1]?.options ?? 0) ? places : [],
      ),
    );
    return samples.map((_, place) => complete.has(place));
  },
};

/** Places of the copies of each question. */
function copiesOf(samples: readonly ScoredSample[]): number[][] {
  const groups = groupBy(samples.keys(), (place) => samples[place]?.group ?? null);
  if (groups.has(null)) {
    throw new FastvError('invalid-input', 'circular: a sample belongs to no question', {
      hint: "name the field that copies share as the task's group",
    });
  }
  return [...groups.values()];
}
