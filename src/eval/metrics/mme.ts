/**
 * MME: each image has one question answered yes and one answered no. A category's score is the sum of
 * accuracy (over questions) and accuracy+ (over images with both right), each in percent, so at most 200.
 *
 * Source: Fu et al., "MME: a comprehensive evaluation benchmark for multimodal large language models"
 * (2023), section 2.3.
 */
import { FastvError } from '../../errors.js';
import { mean } from '../../statistics.js';
import { groupBy } from '../group-by.js';
import type { Metric, ScoredSample } from './metric.js';
import { parseYesNo, type YesNo } from './yes-no.js';

/** Subtasks of perception; every other category is cognition. */
const MME_PERCEPTION: readonly string[] = [
  ...[
    'existence',
    'count',
    'position',
    'color',
    'posters',
    'celebrity',
    'scene',
    'landmark',
    'artwork',
    'OCR',
  ],
];

export interface MmeSample {
  readonly category: string;
  /** What the two questions about one image have in common. */
  readonly image: string;
  readonly right: boolean;
}

export interface MmeScore {
  /** At most 2000. */
  readonly perception: number;
  /** At most 800. */
  readonly cognition: number;
  readonly categories: Readonly<Record<string, { readonly accuracy: number; readonly accuracyPlus: number }>>;
}

/** @throws FastvError `invalid-input` if an image has not exactly two questions in its category */
export function mme(samples: readonly MmeSample[]): MmeScore {
  const pairs = pairsOf(samples);
  const scores = new Map(
    [...groupBy(pairs, ({ category }) => category)].map(([category, own]) => {
      const accuracy = 100 * mean(own.map(({ right }) => right / 2));
      const accuracyPlus = 100 * mean(own.map(({ right }) => (right === 2 ? 1 : 0)));
      return [category, { accuracy, accuracyPlus }] as const;
    }),
  );
  const total = (perception: boolean): number =>
    [...scores]
      .filter(([category]) => MME_PERCEPTION.includes(category) === perception)
      .reduce((sum, [, s]) => sum + s.accuracy + s.accuracyPlus, 0);
  return { perception: total(true), cognition: total(false), categories: Object.fromEntries(scores) };
}

interface Pair {
  readonly category: string;
  readonly places: readonly number[];
  /** How many of the two questions were answered right. */
  readonly right: number;
}

/** The questions two by two. @throws FastvError `invalid-input` if an image has not exactly two in its category */
function pairsOf(samples: readonly MmeSample[]): Pair[] {
  const placed = samples.map((sample, place) => ({ ...sample, place }));
  return [...groupBy(placed, nameOf).values()].map((questions): Pair => {
    const { category, image } = questions[0] ?? { category: '', image: '' };
    if (questions.length !== 2) {
      throw new FastvError(
        'invalid-input',
        `MME: ${questions.length} question(s) about an image, 2 are needed`,
        {
          where: `${category}, ${image}`,
          hint: 'choose a limit that does not cut a pair in two, or none',
        },
      );
    }
    return {
      category,
      places: questions.map(({ place }) => place),
      right: questions.filter(({ right }) => right).length,
    };
  });
}

function nameOf({ category, image }: Pick<MmeSample, 'category' | 'image'>): string {
  return `${category}\n${image}`;
}

/** What a reply says, as the benchmark's code reads it: by its first four characters. Null if neither. */
export function mmeAnswer(reply: string): YesNo | null {
  const text = reply.toLowerCase().trim().replaceAll('.', '');
  if (text === 'y') return 'yes';
  if (text === 'n') return 'no';
  const start = text.slice(0, 4);
  return start.includes('yes') ? 'yes' : start.includes('no') ? 'no' : null;
}

/** Perception and cognition together; a pair of questions is one unit, drawn within its category. */
export const mmeMetric: Metric<'mme'> = {
  name: 'mme',
  label: 'perception + cognition',
  about: 'yes-or-no questions in pairs: accuracy and accuracy+ of each category, summed',
  unit: 'points',
  higherIsBetter: true,
  scoreReply({ answers }, { text }) {
    const said = mmeAnswer(text);
    return { score: said !== null && said === parseYesNo(answers[0] ?? '') ? 1 : 0, choice: null };
  },
  meaning: ({ prediction }) => mmeAnswer(prediction),
  units: (samples) =>
    pairsOf(samples.map(judged)).map(({ category, places, right }) => ({
      samples: places,
      values: [right / 2, right === 2 ? 1 : 0],
      stratum: category,
    })),
  score: (categories) =>
    categories.reduce((sum, [accuracy = NaN, plus = NaN]) => sum + 100 * accuracy + 100 * plus, 0),
  share: (score, categories) => score / (200 * categories),
  details(samples) {
    const { perception, cognition, categories } = mme(samples.map(judged));
    const each = Object.entries(categories).flatMap(([name, { accuracy, accuracyPlus }]) => [
      [`${name} accuracy`, accuracy] as const,
      [`${name} accuracy+`, accuracyPlus] as const,
    ]);
    const unclear = samples.filter(({ prediction }) => mmeAnswer(prediction) === null).length;
    return { perception, cognition, ...Object.fromEntries(each), unclear };
  },
  whole(samples) {
    const pairs = groupBy(samples.map(judged), nameOf);
    return samples.map((sample) => pairs.get(nameOf(judged(sample)))?.length === 2);
  },
};

function judged({ category, group, score }: ScoredSample): MmeSample {
  return { category: category ?? '', image: group ?? '', right: score === 1 };
}
