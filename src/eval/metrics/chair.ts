/**
 * CHAIR: how many of the objects that a caption mentions are not in the image (CHAIRi, the score: lower is better), and how many
 * captions mention one that is not (CHAIRs). Recall, and how many objects a caption mentions, say whether a
 * model hallucinates less because it says less.
 *
 * Source: Rohrbach et al., "Object hallucination in image captioning" (2018), and the code published with it
 * (github.com/LisaAnne/Hallucination, utils/chair.py), as lmms-eval's `coco_cap_chair` counts: every mention, and against
 * the objects that the row names. That code takes words as nouns by a tagger and WordNet; here a word is itself or its singular,
 * as in the first version of the code. So "skiing" is no pair of skis here, and may be one there.
 */
import pluralize from 'pluralize';
import { mean } from '../../statistics.js';
import { OBJECTS, PAIRS } from './coco-objects.js';
import type { Metric, ScoredSample } from './metric.js';

/**
 * The objects of COCO that a caption mentions, mention by mention.
 * @example mentionedObjects('Two puppies on a sofa'); // ['dog', 'couch']
 */
export function mentionedObjects(caption: string): string[] {
  const words = paired(Array.from(caption.toLowerCase().matchAll(TOKEN), ([word]) => baseOf(word)));
  // the seat of a toilet is no chair
  const isNone = (word: string): boolean => word === 'seat' && words.includes('toilet');
  return words.flatMap((word) => {
    const object = OBJECTS.get(word);
    return object === undefined || isNone(word) ? [] : [object];
  });
}

/** A word with what its hyphens join, or a mark by itself: words on its two sides are no pair. */
const TOKEN = /[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*|[^\s\p{L}\p{N}]/gu;

/** Longer words are none of ours, and `pluralize` tries some hundred patterns at each. */
const LONGEST = 40;

function baseOf(word: string): string {
  return OBJECTS.has(word) || word.length > LONGEST ? word : pluralize.singular(word);
}

function paired(words: readonly string[]): string[] {
  const all: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [word = '', next] = words.slice(i, i + 2);
    const pair = next === undefined ? undefined : PAIRS.get(`${word} ${next}`);
    all.push(pair ?? word);
    if (pair !== undefined) i++;
  }
  return all;
}

interface Counts {
  readonly mentioned: number;
  readonly hallucinated: number;
  /** Objects of the image that are mentioned, and all that it has. */
  readonly found: number;
  readonly there: number;
}

function countsOf(caption: string, answers: readonly string[]): Counts {
  const mentioned = mentionedObjects(caption);
  const there = new Set(answers.map((answer) => answer.trim().toLowerCase()));
  return {
    mentioned: mentioned.length,
    hallucinated: mentioned.filter((object) => !there.has(object)).length,
    found: new Set(mentioned.filter((object) => there.has(object))).size,
    there: there.size,
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

export const chairMetric: Metric<'chair'> = {
  name: 'chair',
  label: 'CHAIRi',
  about:
    'the share of mentioned objects that are not in the image; of captions with one, and recall, besides',
  unit: 'percent',
  higherIsBetter: false,
  /** A caption is right where it mentions nothing that is not there. */
  scoreReply: ({ answers }, { text }) => ({
    score: countsOf(text, answers).hallucinated === 0 ? 1 : 0,
    choice: null,
  }),
  units: (samples) =>
    samples.map(({ prediction, answers }, i) => {
      const { hallucinated, mentioned } = countsOf(prediction, answers);
      return { samples: [i], values: [hallucinated, mentioned] };
    }),
  score: ([[hallucinated = NaN, mentioned = NaN] = []]) => ratio(hallucinated, mentioned),
  meaning: ({ prediction }) => [...new Set(mentionedObjects(prediction))].sort().join(', '),
  details(samples: readonly ScoredSample[]) {
    const counts = samples.map(({ prediction, answers }) => countsOf(prediction, answers));
    const sum = (key: keyof Counts): number => counts.reduce((total, one) => total + one[key], 0);
    return {
      CHAIRs: mean(counts.map(({ hallucinated }) => (hallucinated > 0 ? 1 : 0))),
      recall: ratio(sum('found'), sum('there')),
      objects: sum('mentioned') / counts.length,
    };
  },
};
