/**
 * Asks questions about one scene. Each family has one wording; answers follow from the scene.
 * A family answers null where the scene has nothing to ask about, or nothing unambiguous.
 */
import type { Random } from './random.js';
import { NUMBER_WORDS, SMALL_TEXT, type ImageFamily, type Mention, type Question } from './question.js';
import { center, REGIONS, regionOf, type Box, type Scene, type SceneObject } from './scene.js';

/** Centres this far apart (pixels) along one axis, and half as far again as along the other, are a clear relation. */
const CLEAR_DISTANCE = 12;
/** Sprites whose sizes differ by this many pixels are clearly of different size. */
const CLEAR_SIZE = 8;

/** A question of the family about the scene, or null. `classes` are all there are. */
export function ask(
  family: ImageFamily,
  scene: Scene,
  classes: readonly string[],
  random: Random,
): Question | null {
  const made = MAKERS[family](scene, classes, random);
  return made === null ? null : { family, ...made };
}

type Made = Omit<Question, 'family'> | null;
type Maker = (scene: Scene, classes: readonly string[], random: Random) => Made;

const MAKERS: Readonly<Record<ImageFamily, Maker>> = {
  existence(scene, classes, random) {
    const present = random.chance(50);
    const name = present ? random.pick(scene.objects).class : absentClass(scene, classes, random);
    const answer = present ? 'yes' : 'no';
    return made(`Is there ${article(name)} ${name} in the image?`, answer, answer, [
      mention(name, named(scene, name)),
    ]);
  },

  category(scene, _classes, random) {
    const region = random.pick(REGIONS);
    const there = scene.objects.filter((o) => regionOf(o.box) === region);
    const [object] = there;
    if (object === undefined || there.length > 1) return null;
    const place = region.split(' ')[1] ?? '';
    return made(`What is at the ${region}?`, object.class, region, [mention(place, there)]);
  },

  position(scene, _classes, random) {
    const object = random.pick(scene.objects);
    if (named(scene, object.class).length > 1) return null;
    const region = regionOf(object.box);
    return made(`Where is the ${object.class}?`, region, region, [mention(object.class, [object])]);
  },

  relation(scene, _classes, random) {
    const pair = twoOfDifferentClass(scene, random);
    if (pair === null) return null;
    const [a, b] = pair;
    const dx = center(a.box).x - center(b.box).x;
    const dy = center(a.box).y - center(b.box).y;
    const [far, near] = [Math.max(Math.abs(dx), Math.abs(dy)), Math.min(Math.abs(dx), Math.abs(dy))];
    if (far < CLEAR_DISTANCE || 2 * far < 3 * near) return null;
    const answer = Math.abs(dx) > Math.abs(dy) ? (dx < 0 ? 'left' : 'right') : dy < 0 ? 'above' : 'below';
    return made(`Where is the ${a.class} relative to the ${b.class}?`, answer, answer, [
      mention(a.class, [a]),
      mention(b.class, [b]),
    ]);
  },

  'count-all'(scene) {
    const answer = NUMBER_WORDS[scene.objects.length];
    if (answer === undefined) return null;
    return made('How many objects are there?', answer, answer, [mention('objects', scene.objects)]);
  },

  'count-class'(scene, classes, random) {
    const name = random.chance(20) ? absentClass(scene, classes, random) : random.pick(scene.objects).class;
    const those = named(scene, name);
    const answer = NUMBER_WORDS[those.length];
    if (answer === undefined) return null;
    return made(`How many ${name} pictures are there?`, answer, answer, [mention(name, those)]);
  },

  color(scene) {
    const { color } = scene.background;
    return made('What color is the background?', color, color, []);
  },

  size(scene, _classes, random) {
    const pair = twoOfDifferentClass(scene, random);
    if (pair === null) return null;
    const [a, b] = pair;
    if (Math.abs(a.size - b.size) < CLEAR_SIZE) return null;
    const first = a.size > b.size;
    const question = `Which is larger, the ${a.class} or the ${b.class}?`;
    return made(question, first ? a.class : b.class, first ? 'first' : 'second', [
      mention(a.class, [a]),
      mention(b.class, [b]),
    ]);
  },

  text: (scene) => (scene.text !== null && scene.text.size > SMALL_TEXT ? askText(scene.text) : null),

  'text-small': (scene) =>
    scene.text !== null && scene.text.size <= SMALL_TEXT ? askText(scene.text) : null,

  caption(scene) {
    const parts = [...scene.objects]
      .sort(
        (a, b) => REGIONS.indexOf(regionOf(a.box)) - REGIONS.indexOf(regionOf(b.box)) || a.box.x - b.box.x,
      )
      .map((o) => ({ object: o, words: `${article(o.class)} ${o.class} at the ${regionOf(o.box)}` }));
    const things = parts.map((p) => p.words);
    if (scene.text !== null) things.push(`the text ${scene.text.value}`);
    const last = things.pop() ?? '';
    const list = things.length === 0 ? last : `${things.join(', ')} and ${last}`;
    const { color } = scene.background;
    return made('Describe the image.', `${article(color)} ${color} background with ${list}.`, 'any', [
      ...parts.map(({ object }) => mention(object.class, [object])),
      ...(scene.text === null ? [] : [mention('text', [scene.text])]),
    ]);
  },
};

function made(question: string, answer: string, kind: string, mentions: readonly Mention[]): Made {
  return { question, answer, kind, mentions };
}

function mention(word: string, things: readonly { readonly box: Box }[]): Mention {
  return { word, evidence: things.map(({ box }) => ({ image: 0, box })) };
}

function askText(text: { readonly value: string; readonly box: Box }): Made {
  const kind = NUMBER_WORDS[text.value.length] ?? '';
  return made('What does the text say?', text.value, kind, [mention('text', [text])]);
}

/** a or an, by the word's first letter. */
export function article(word: string): 'a' | 'an' {
  return /^[aeiou]/.test(word) ? 'an' : 'a';
}

function named(scene: Scene, name: string): SceneObject[] {
  return scene.objects.filter((o) => o.class === name);
}

function absentClass(scene: Scene, classes: readonly string[], random: Random): string {
  const present = new Set(scene.objects.map((o) => o.class));
  return random.pick(classes.filter((c) => !present.has(c)));
}

/** Two objects, each the only one of its class, in random order. */
function twoOfDifferentClass(scene: Scene, random: Random): readonly [SceneObject, SceneObject] | null {
  const single = random.shuffle(scene.objects.filter((o) => named(scene, o.class).length === 1));
  const [a, b] = single;
  return a === undefined || b === undefined ? null : [a, b];
}
