/**
 * What a scene is: a small JSON value from which its pixels, its questions and their answers follow.
 * Lengths are pixels, x to the right, y down, colours sRGB bytes.
 */

/** Images are square, with this many pixels a side. */
export const IMAGE_SIZE = 96;

/** Colours that a background may have, by name. */
export const BACKGROUND_COLORS = {
  red: [200, 40, 40],
  orange: [235, 135, 35],
  yellow: [240, 215, 60],
  green: [50, 140, 60],
  blue: [45, 85, 190],
  purple: [120, 55, 160],
  pink: [245, 160, 195],
  brown: [115, 75, 45],
  gray: [128, 128, 128],
  white: [240, 240, 240],
  black: [25, 25, 25],
  cyan: [80, 205, 215],
} as const satisfies Record<string, Rgb>;

export type ColorName = keyof typeof BACKGROUND_COLORS;
export const COLOR_NAMES = Object.keys(BACKGROUND_COLORS) as readonly ColorName[];

/** The nine regions of an image, row by row. */
export const REGIONS = [
  'top left',
  'top center',
  'top right',
  'middle left',
  'middle center',
  'middle right',
  'bottom left',
  'bottom center',
  'bottom right',
] as const;
export type Region = (typeof REGIONS)[number];

export type Rgb = readonly [number, number, number];

/** A rectangle: left and top edge, width and height. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Background {
  readonly color: ColorName;
  /** plain: `from` alone; gradients run from `from` to `to`; texture varies `from` by up to ±8. */
  readonly style: 'plain' | 'gradient-x' | 'gradient-y' | 'texture';
  readonly from: Rgb;
  readonly to: Rgb;
  readonly seed: number;
}

export interface SceneObject {
  readonly class: string;
  /** The sprite size in the atlas: its longer side. */
  readonly size: number;
  /** Where its sprite lies. */
  readonly box: Box;
}

export interface SceneText {
  readonly value: string;
  /** The height of a capital. */
  readonly size: number;
  readonly color: Rgb;
  /** Where the glyph cells lie, side by side. */
  readonly box: Box;
}

export interface Clutter extends Box {
  readonly color: Rgb;
}

/** Drawn in this order: background, clutter, objects, text. */
export interface Scene {
  readonly background: Background;
  readonly clutter: readonly Clutter[];
  readonly objects: readonly SceneObject[];
  readonly text: SceneText | null;
}

/** The centre of a box, rounded down to a pixel. */
export function center(box: Box): { readonly x: number; readonly y: number } {
  return { x: box.x + (box.width >> 1), y: box.y + (box.height >> 1) };
}

/** The region that holds a box's centre. */
export function regionOf(box: Box): Region {
  const third = (v: number): number => Math.min(2, Math.floor((3 * v) / IMAGE_SIZE));
  const { x, y } = center(box);
  const region = REGIONS[3 * third(y) + third(x)];
  if (region === undefined)
    throw new RangeError(`regionOf: the centre (${String(x)}, ${String(y)}) is outside`);
  return region;
}

/** Whether two boxes come closer than `gap` pixels to each other. */
export function overlap(a: Box, b: Box, gap = 0): boolean {
  return (
    a.x < b.x + b.width + gap &&
    b.x < a.x + a.width + gap &&
    a.y < b.y + b.height + gap &&
    b.y < a.y + a.height + gap
  );
}
