/**
 * MME: each image has one question answered yes and one answered no. A category's score is the sum of
 * accuracy (over questions) and accuracy+ (over images with both right), each in percent, so at most 200.
 *
 * Source: Fu et al., "MME: a comprehensive evaluation benchmark for multimodal large language models"
 * (2023), section 2.3.
 */
import { FastvError } from '../../errors.js';
import { mean } from './caption.js';
import type { YesNo } from './yes-no.js';

/** Subtasks of perception; every other category is cognition. */
export const MME_PERCEPTION: readonly string[] = [
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
  const categories = new Map<string, Map<string, boolean[]>>();
  for (const { category, image, right } of samples) {
    const images = categories.get(category) ?? new Map<string, boolean[]>();
    categories.set(category, images);
    images.set(image, [...(images.get(image) ?? []), right]);
  }
  const scores = new Map(
    [...categories].map(([category, images]) => {
      for (const [image, answers] of images) {
        if (answers.length !== 2) {
          throw new FastvError(
            'invalid-input',
            `MME: ${answers.length} question(s) about an image, 2 are needed`,
            {
              where: `${category}, ${image}`,
              hint: 'choose a limit that does not cut a pair in two, or none',
            },
          );
        }
      }
      const pairs = [...images.values()];
      const accuracy = 100 * mean(pairs.flat().map(Number));
      const accuracyPlus = 100 * mean(pairs.map((p) => Number(p.every(Boolean))));
      return [category, { accuracy, accuracyPlus }] as const;
    }),
  );
  const total = (perception: boolean): number =>
    [...scores]
      .filter(([category]) => MME_PERCEPTION.includes(category) === perception)
      .reduce((sum, [, s]) => sum + s.accuracy + s.accuracyPlus, 0);
  return { perception: total(true), cognition: total(false), categories: Object.fromEntries(scores) };
}

/** What a reply says, as the benchmark's code reads it: by its first four characters. Null if neither. */
export function mmeAnswer(reply: string): YesNo | null {
  const text = reply.toLowerCase().trim().replaceAll('.', '');
  if (text === 'y') return 'yes';
  if (text === 'n') return 'no';
  const start = text.slice(0, 4);
  return start.includes('yes') ? 'yes' : start.includes('no') ? 'no' : null;
}
