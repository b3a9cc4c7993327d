/**
 * Videos (4 to 8 frames) and sets of images (2 to 4), with the questions about them.
 *
 * In a video one object moves along one axis, another comes and goes, and the rest stand still.
 */
import type { Atlas } from './atlas.js';
import { article } from './ask.js';
import { DIRECTIONS, NUMBER_WORDS, ORDINALS, type Question } from './question.js';
import type { Random } from './random.js';
import { NORMAL_STYLE, sampleBackground, sampleScene, type SceneStyle } from './sample-scene.js';
import { IMAGE_SIZE, overlap, type Box, type Scene, type SceneObject } from './scene.js';

/** Frames or images, and what may be asked about them. */
export interface Sequence {
  readonly scenes: readonly Scene[];
  readonly questions: readonly Question[];
}

/** A random video of so many frames, with one question of each video family. */
export function sampleVideo(random: Random, atlas: Atlas, frames: number): Sequence {
  for (;;) {
    const background = sampleBackground(random);
    const [mover, flicker, ...still] = random.shuffle(atlas.classes).slice(0, random.between(3, 4));
    if (mover === undefined || flicker === undefined) continue;
    const direction = random.pick(DIRECTIONS);
    const path = samplePath(random, mover, direction, frames, atlas);
    const taken: Box[] = [hull(path)];
    const others: SceneObject[] = [];
    for (const name of [flicker, ...still]) {
      const object = placeAnywhere(random, name, taken, atlas);
      if (object === null) break;
      taken.push(object.box);
      others.push(object);
    }
    const [blinking, ...standing] = others;
    if (blinking === undefined || standing.length < still.length) continue;
    const times = random.between(1, 4);
    const shown = new Set(random.shuffle(path.map((_, i) => i)).slice(0, times));
    const scenes = path.map((object, i) => ({
      background,
      clutter: [],
      objects: [object, ...standing, ...(shown.has(i) ? [blinking] : [])],
      text: null,
    }));
    const track = path.map(({ box }, image) => ({ image, box }));
    const evidence = [...shown].sort((a, b) => a - b).map((image) => ({ image, box: blinking.box }));
    const answer = NUMBER_WORDS[times] ?? '';
    const questions: Question[] = [
      {
        family: 'video-moved',
        question: 'Which object moved?',
        answer: mover,
        kind: 'any',
        mentions: [{ word: 'object', evidence: track }],
      },
      {
        family: 'video-direction',
        question: `In which direction did the ${mover} move?`,
        answer: direction,
        kind: direction,
        mentions: [{ word: mover, evidence: track }],
      },
      {
        family: 'video-count',
        question: `In how many frames does the ${flicker} appear?`,
        answer,
        kind: answer,
        mentions: [{ word: flicker, evidence }],
      },
    ];
    return { scenes, questions };
  }
}

/** An object in each frame, moving evenly, 40 to 60 pixels in all. */
function samplePath(
  random: Random,
  name: string,
  direction: (typeof DIRECTIONS)[number],
  frames: number,
  atlas: Atlas,
): SceneObject[] {
  const size = random.pick([20, 24]);
  const { width, height } = atlas.sprite(name, size);
  const distance = random.between(40, 60);
  const along = direction === 'left' || direction === 'right' ? width : height;
  const start = random.between(0, IMAGE_SIZE - along - distance);
  const across = random.between(0, IMAGE_SIZE - (along === width ? height : width));
  return Array.from({ length: frames }, (_, i) => {
    const step = Math.floor((distance * i) / (frames - 1));
    const at = start + (direction === 'right' || direction === 'down' ? step : distance - step);
    const horizontal = direction === 'left' || direction === 'right';
    const side = horizontal ? IMAGE_SIZE - height : IMAGE_SIZE - width;
    const other = Math.min(across, side);
    const box = horizontal
      ? { x: at, y: other, width, height }
      : { x: other, y: Math.min(at, IMAGE_SIZE - height), width, height };
    return { class: name, size, box };
  });
}

function hull(path: readonly SceneObject[]): Box {
  const x = Math.min(...path.map((o) => o.box.x));
  const y = Math.min(...path.map((o) => o.box.y));
  const right = Math.max(...path.map((o) => o.box.x + o.box.width));
  const bottom = Math.max(...path.map((o) => o.box.y + o.box.height));
  return { x, y, width: right - x, height: bottom - y };
}

function placeAnywhere(
  random: Random,
  name: string,
  taken: readonly Box[],
  atlas: Atlas,
): SceneObject | null {
  const size = random.pick([20, 24, 28]);
  const { width, height } = atlas.sprite(name, size);
  for (let attempt = 0; attempt < 30; attempt++) {
    const box = {
      x: random.between(0, IMAGE_SIZE - width),
      y: random.between(0, IMAGE_SIZE - height),
      width,
      height,
    };
    if (!taken.some((other) => overlap(box, other, 1))) return { class: name, size, box };
  }
  return null;
}

const SET_STYLE: SceneStyle = { ...NORMAL_STYLE, maxObjects: 4, textPercent: 20 };

/** So many images (2 to 4), with a question for each class that only one of them has. */
export function sampleImageSet(random: Random, atlas: Atlas, count: number): Sequence {
  const scenes = Array.from({ length: count }, () => {
    let scene = sampleScene(random, SET_STYLE, atlas);
    while (scene.objects.length === 0) scene = sampleScene(random, SET_STYLE, atlas);
    return scene;
  });
  const questions: Question[] = [];
  for (const [image, scene] of scenes.entries()) {
    for (const name of new Set(scene.objects.map((o) => o.class))) {
      if (scenes.some((s, i) => i !== image && s.objects.some((o) => o.class === name))) continue;
      const answer = ORDINALS[image];
      if (answer === undefined)
        throw new RangeError(`sampleImageSet: no word for image ${String(image + 1)}`);
      const evidence = scene.objects.filter((o) => o.class === name).map(({ box }) => ({ image, box }));
      questions.push({
        family: 'multi-image',
        question: `Which image has ${article(name)} ${name}?`,
        answer,
        kind: answer,
        mentions: [{ word: name, evidence }],
      });
    }
  }
  return { scenes, questions };
}
