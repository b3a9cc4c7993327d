/**
 * Draws random scenes. What questions ask about is drawn uniformly (classes, regions, numbers of
 * objects, characters, colours), so that answers come out balanced without throwing scenes away.
 */
import type { Atlas } from './atlas.js';
import type { Random } from './random.js';
import {
  BACKGROUND_COLORS,
  COLOR_NAMES,
  IMAGE_SIZE,
  overlap,
  type Background,
  type Box,
  type Clutter,
  type Rgb,
  type Scene,
  type SceneObject,
  type SceneText,
} from './scene.js';

/** What a split's scenes look like. */
export interface SceneStyle {
  readonly objectSizes: readonly number[];
  readonly maxObjects: number;
  readonly textSizes: readonly number[];
  /** How many scenes in a hundred have text. */
  readonly textPercent: number;
  /** How many small rectangles are strewn behind the objects, at most. */
  readonly maxClutter: number;
}

export const NORMAL_STYLE: SceneStyle = {
  objectSizes: [20, 24, 28, 32],
  maxObjects: 6,
  textSizes: [8, 12, 16],
  textPercent: 60,
  maxClutter: 0,
};

export const HARD_STYLE: SceneStyle = {
  objectSizes: [12, 16, 20],
  maxObjects: 9,
  textSizes: [6, 8, 12],
  textPercent: 60,
  maxClutter: 12,
};

/** The most objects of one class in a scene. */
const MAX_OF_CLASS = 4;

/** A random scene. In half of the scenes one class stands several times, or so it may. */
export function sampleScene(random: Random, style: SceneStyle, atlas: Atlas): Scene {
  const background = sampleBackground(random);
  const text = random.chance(style.textPercent) ? sampleText(random, style, background, atlas) : null;

  const classes = random.shuffle(atlas.classes);
  const count = random.between(1, style.maxObjects);
  const repeats = random.chance(50) ? random.between(1, MAX_OF_CLASS) : 1;
  const total = Math.max(count, repeats);
  const cells = random.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const objects: SceneObject[] = [];
  for (const cell of cells) {
    if (objects.length === total) break;
    const name = classes[objects.length < repeats ? 0 : objects.length] ?? '';
    const taken = objects.map((o) => o.box);
    if (text !== null) taken.push(text.box);
    const object = placeInCell(random, cell, name, style.objectSizes, taken, atlas);
    if (object !== null) objects.push(object);
  }
  return { background, clutter: sampleClutter(random, style), objects: random.shuffle(objects), text };
}

/** A random background, its two colours close to the named one. */
export function sampleBackground(random: Random): Background {
  const color = random.pick(COLOR_NAMES);
  const [r, g, b] = BACKGROUND_COLORS[color];
  const near = (v: number, by: number): number => Math.max(0, Math.min(255, v + random.between(-by, by)));
  const from: Rgb = [near(r, 12), near(g, 12), near(b, 12)];
  const style = random.pick(['plain', 'gradient-x', 'gradient-y', 'texture'] as const);
  const to: Rgb = style.startsWith('gradient') ? [near(r, 20), near(g, 20), near(b, 20)] : from;
  return { color, style, from, to, seed: random.int(1 << 16) };
}

function sampleText(random: Random, style: SceneStyle, background: Background, atlas: Atlas): SceneText {
  const size = random.pick(style.textSizes);
  const { width, height } = atlas.glyphs(size);
  const length = random.between(1, 5);
  const value = Array.from({ length }, () => random.pick(atlas.characters)).join('');
  const box: Box = {
    x: random.between(0, IMAGE_SIZE - length * width),
    y: random.between(0, IMAGE_SIZE - height),
    width: length * width,
    height,
  };
  const [r, g, b] = background.from;
  const color: Rgb = 299 * r + 587 * g + 114 * b > 128_000 ? [0, 0, 0] : [255, 255, 255];
  return { value, size, color, box };
}

/** Puts an object with its centre in one of the nine cells, clear of what is there; smaller if need be. */
function placeInCell(
  random: Random,
  cell: number,
  name: string,
  sizes: readonly number[],
  taken: readonly Box[],
  atlas: Atlas,
): SceneObject | null {
  const third = IMAGE_SIZE / 3;
  const drawn = random.pick(sizes);
  for (const size of sizes.filter((s) => s <= drawn).reverse()) {
    const { width, height } = atlas.sprite(name, size);
    const range = (start: number, length: number): readonly [number, number] => [
      Math.max(0, start - (length >> 1)),
      Math.min(IMAGE_SIZE - length, start + third - 1 - (length >> 1)),
    ];
    const [left, right] = range(third * (cell % 3), width);
    const [top, bottom] = range(third * Math.floor(cell / 3), height);
    for (let attempt = 0; attempt < 20; attempt++) {
      const box = { x: random.between(left, right), y: random.between(top, bottom), width, height };
      if (!taken.some((other) => overlap(box, other, 1))) return { class: name, size, box };
    }
  }
  return null;
}

function sampleClutter(random: Random, style: SceneStyle): Clutter[] {
  if (style.maxClutter === 0) return [];
  return Array.from({ length: random.between(0, style.maxClutter) }, () => {
    const [width, height] = [random.between(2, 7), random.between(2, 7)];
    return {
      x: random.int(IMAGE_SIZE - width),
      y: random.int(IMAGE_SIZE - height),
      width,
      height,
      color: [random.int(256), random.int(256), random.int(256)] as const,
    };
  });
}
