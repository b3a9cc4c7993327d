/** What a question about images is, and the families that questions come in. */
import { REGIONS, COLOR_NAMES, type Box } from './scene.js';

/** Families whose questions are about one image. */
export const IMAGE_FAMILIES = [
  'existence',
  'category',
  'position',
  'relation',
  'count-all',
  'count-class',
  'color',
  'size',
  'text',
  'text-small',
  'caption',
] as const;

/** Families whose questions are about the frames of a video or about several images. */
export const SEQUENCE_FAMILIES = ['video-moved', 'video-direction', 'video-count', 'multi-image'] as const;

export const FAMILIES = [...IMAGE_FAMILIES, ...SEQUENCE_FAMILIES] as const;
export type ImageFamily = (typeof IMAGE_FAMILIES)[number];
export type SequenceFamily = (typeof SEQUENCE_FAMILIES)[number];
export type Family = (typeof FAMILIES)[number];

/** A part of one of the images that a question is asked about. */
export interface Evidence {
  readonly image: number;
  readonly box: Box;
}

/** A word of the question (of the answer, in captions) and where in the images is what it means. */
export interface Mention {
  readonly word: string;
  readonly evidence: readonly Evidence[];
}

export interface Question {
  readonly family: Family;
  readonly question: string;
  /** What a right answer says, to the letter; for captions a reference. */
  readonly answer: string;
  /** The kind of answer, which is drawn evenly over `answerKinds(family)`. */
  readonly kind: string;
  readonly mentions: readonly Mention[];
}

export const NUMBER_WORDS = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
] as const;
export const ORDINALS = ['first', 'second', 'third', 'fourth'] as const;
export const DIRECTIONS = ['left', 'right', 'up', 'down'] as const;

/** Capitals of at most this many pixels make a text small. */
export const SMALL_TEXT = 8;

/**
 * The kinds of answer that a family's questions are balanced over: the answers themselves where they
 * are few. Classes and characters are drawn uniformly, so `category` is balanced over the places that
 * it asks about, `size` over which of the two things is larger, text over its length.
 */
export function answerKinds(family: Family): readonly string[] {
  switch (family) {
    case 'existence':
      return ['yes', 'no'];
    case 'category':
    case 'position':
      return REGIONS;
    case 'relation':
      return ['left', 'right', 'above', 'below'];
    case 'count-all':
      return NUMBER_WORDS.slice(1, 7);
    case 'count-class':
      return NUMBER_WORDS.slice(0, 5);
    case 'color':
      return COLOR_NAMES;
    case 'size':
      return ['first', 'second'];
    case 'text':
    case 'text-small':
      return NUMBER_WORDS.slice(1, 6);
    case 'caption':
    case 'video-moved':
      return ['any'];
    case 'video-direction':
      return DIRECTIONS;
    case 'video-count':
      return NUMBER_WORDS.slice(1, 5);
    case 'multi-image':
      return ORDINALS;
  }
}
