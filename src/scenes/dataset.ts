/**
 * Splits of the benchmark. An item's seed is (split, family, index), so a split can be as long as one
 * likes, and its first items stay the same. Each item's kind of answer is drawn evenly first; scenes
 * are then drawn until one gives such a question, which is why no answer is likelier than another.
 */
import { ask } from './ask.js';
import type { Atlas } from './atlas.js';
import {
  answerKinds,
  FAMILIES,
  IMAGE_FAMILIES,
  ORDINALS,
  type Family,
  type ImageFamily,
  type Question,
} from './question.js';
import { Random } from './random.js';
import { HARD_STYLE, NORMAL_STYLE, sampleScene } from './sample-scene.js';
import type { Scene } from './scene.js';
import { sampleImageSet, sampleVideo } from './sequence.js';

export const SPLITS = ['train', 'validation', 'test', 'hard'] as const;
export type Split = (typeof SPLITS)[number];

/** One question with the images that it is about. */
export interface Item extends Question {
  readonly id: string;
  readonly split: Split;
  readonly scenes: readonly Scene[];
}

/** One image with many questions, each to be asked first: what training reads. */
export interface Conversation {
  readonly id: string;
  readonly scenes: readonly Scene[];
  readonly questions: readonly Question[];
}

const isImageFamily = (family: Family): family is ImageFamily => IMAGE_FAMILIES.some((f) => f === family);

/** Item `index` of a family in a split: the same at every call. */
export function makeItem(split: Split, family: Family, index: number, atlas: Atlas): Item {
  const random = new Random(SPLITS.indexOf(split), FAMILIES.indexOf(family), index);
  const kind = random.pick(answerKinds(family));
  const id = `${split}-${family}-${String(index).padStart(6, '0')}`;
  const style = split === 'hard' ? HARD_STYLE : NORMAL_STYLE;
  for (;;) {
    if (isImageFamily(family)) {
      const scene = sampleScene(random, style, atlas);
      const question = scene.objects.length === 0 ? null : ask(family, scene, atlas.classes, random);
      if (question?.kind === kind) return { id, split, ...question, scenes: [scene] };
    } else {
      // ordinals are drawn first, so that the last images are asked about as often as the first
      const least = Math.max(2, ORDINALS.findIndex((ordinal) => ordinal === kind) + 1);
      const { scenes, questions } =
        family === 'multi-image'
          ? sampleImageSet(random, atlas, random.between(least, ORDINALS.length))
          : sampleVideo(random, atlas, random.between(4, 8));
      const fitting = questions.filter((q) => q.family === family && q.kind === kind);
      if (fitting.length > 0) return { id, split, ...random.pick(fitting), scenes };
    }
  }
}

/** How often a training image is asked what; text only where there is any. */
const TRAINING_MIX: readonly ImageFamily[] = [
  'existence',
  'existence',
  'category',
  'category',
  'position',
  'position',
  'relation',
  'relation',
  'count-all',
  'count-class',
  'count-class',
  'color',
  'size',
  'size',
  'text',
  'text-small',
];

/** Questions kept of a hundred asked, where the scenes themselves make one answer too common. */
const KEEP_PERCENT: Readonly<Partial<Record<ImageFamily, Readonly<Record<string, number>>>>> = {
  'count-class': { zero: 12, one: 5 },
  'count-all': { three: 80, four: 65, five: 80 },
};

/** Questions of one family about one training image, at most. */
const MAX_OF_FAMILY = 3;

/**
 * Training image `index` with up to `questions` questions and a caption, which comes last.
 * Kinds of answer are near to even here, not exactly so: every image is used.
 */
export function makeConversation(index: number, questions: number, atlas: Atlas): Conversation {
  const random = new Random(SPLITS.indexOf('train'), 0x7261696e, index);
  let scene = sampleScene(random, NORMAL_STYLE, atlas);
  while (scene.objects.length === 0) scene = sampleScene(random, NORMAL_STYLE, atlas);
  const asked: Question[] = [];
  for (let attempt = 0; attempt < 4 * questions && asked.length < questions; attempt++) {
    const family = random.pick(TRAINING_MIX);
    const question = ask(family, scene, atlas.classes, random);
    const keep = KEEP_PERCENT[family]?.[question?.kind ?? ''] ?? 100;
    if (question === null || !random.chance(keep)) continue;
    const before = asked.filter((q) => q.family === family);
    const again = family !== 'existence' && before.some((q) => q.question === question.question);
    if (before.length < MAX_OF_FAMILY && !again) asked.push(question);
  }
  const caption = ask('caption', scene, atlas.classes, random);
  if (caption !== null) asked.push(caption);
  return { id: `train-${String(index)}`, scenes: [scene], questions: asked };
}

/** Training video (4 images or more, every other time) or image set `index`, of so many images, with its questions. */
export function makeSequenceConversation(index: number, images: number, atlas: Atlas): Conversation {
  const random = new Random(SPLITS.indexOf('train'), 0x73657175, images, index);
  const video = images > ORDINALS.length || (images === ORDINALS.length && random.chance(50));
  const { scenes, questions } = video
    ? sampleVideo(random, atlas, images)
    : sampleImageSet(random, atlas, images);
  return { id: `train-${String(images)}-${String(index)}`, scenes, questions: random.shuffle(questions) };
}
