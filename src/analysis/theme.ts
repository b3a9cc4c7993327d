/**
 * How everything that this folder draws looks: one palette, one font, one size.
 *
 * Colours are those of Okabe and Ito (2008), which people who see few colours can tell apart; dashes and
 * shapes say the same once more, for those who print in black and white.
 */
import { strategies } from '../strategies/index.js';

/** Text, lesser text, lines behind the data, and the ground. */
export const INK = '#222222';
export const MUTED = '#555555';
export const RULE = '#d9d9d9';
export const GROUND = '#ffffff';
/** Of numbers on coloured grounds, where ink would not do. */
const BLACK = '#000000';

export const FONT = 'Helvetica, Arial, sans-serif';
/** Of all text in plots, in pixels; titles are bold and a little larger. */
export const FONT_SIZE = 12;
export const TITLE_SIZE = 14;
/** Of every plot, so that text is equally large in all of them however they are scaled. */
export const WIDTH = 760;

/** How a curve is drawn. `dash` is an SVG stroke-dasharray, empty for a line without gaps. */
export interface CurveStyle {
  readonly color: string;
  readonly dash: string;
}

const CURVES: Readonly<Record<string, CurveStyle>> = {
  unpruned: { color: INK, dash: '2,3' },
  attention: { color: '#0072b2', dash: '' },
  'key-norm': { color: '#8f7a00', dash: '4,2' },
  random: { color: '#d55e00', dash: '7,3' },
  grid: { color: '#b06a94', dash: '2,3' },
  'image size': { color: '#333333', dash: '1,4' },
  downsample: { color: '#009e73', dash: '9,3,2,3' },
};

const OTHER: CurveStyle = { color: MUTED, dash: '1,2' };

/** Of the strategies that have no style of their own above: as many as are told apart by colour. */
const MORE_COLORS = [
  ...['#7f3b08', '#6a3d9a', '#1b7837', '#a6266e', '#00797f', '#4d4d9f', '#9a5b00', '#c1272d'],
  ...['#3b5b00', '#8c5ad6', '#5a3e2b', '#0b5394', '#9e1b9e', '#4f7f4f', '#b34747', '#2f4858'],
];

const MORE: ReadonlyMap<string, CurveStyle> = new Map(
  strategies
    .filter(({ name }) => !Object.hasOwn(CURVES, name))
    // long dashes of some length, each with a number of dots behind it
    .map(({ name }, i) => [
      name,
      {
        color: MORE_COLORS[i % MORE_COLORS.length] ?? MUTED,
        dash: `${5 + 4 * (i % 4)},2${',1,2'.repeat(Math.floor(i / 4) + 1)}`,
      },
    ]),
);

/**
 * The style of a strategy; one that is not in the list is grey and dotted. What stands for others is darker. Of an image size of
 * its own (`attention@144px`), dashes are set apart by one dot a hundred pixels.
 */
export function curveStyle(sized: string): CurveStyle {
  const [kind = '', size] = sized.split('@');
  if (size !== undefined) {
    const { color, dash } = curveStyle(kind);
    const dots = ',1,2'.repeat(1 + Math.floor(parseInt(size, 10) / 100));
    return { color, dash: `${dash === '' ? '14,2' : dash}${dots}` };
  }
  const [strategy = '', ...standing] = kind.split('+');
  if (standing.length > 0) {
    const { color, dash } = curveStyle(strategy);
    return {
      color: darker(color, 0.25 * standing.length),
      dash: `${dash === '' ? '20' : dash},1,${standing.length + 1}`,
    };
  }
  return (Object.hasOwn(CURVES, kind) ? CURVES[kind] : MORE.get(kind)) ?? OTHER;
}

/** Where a strategy stands in keys: the model without pruning first, what is not in the list last. */
export function curveOrder(kind: string): number {
  const all = [...Object.keys(CURVES), ...MORE.keys()];
  const place = all.indexOf(kind.split('@')[0] ?? '');
  return place === -1 ? all.length : place;
}

/** Names of methods, each once, as keys have them: by their strategies, and a strategy alone before those that stand for others. */
export function inMethodOrder(names: readonly string[]): readonly string[] {
  const order = (name: string): number => {
    const [strategy = '', ...standing] = name.split('+');
    return curveOrder(strategy) + standing.length / 10;
  };
  return [...new Set(names)].sort((a, b) => order(a) - order(b));
}

/** The parts of a sequence: their colours beside one another differ in lightness too. */
export const PART_STYLES = {
  system: { color: '#8c8c8c', dash: '2,3', shape: { symbol: 'square', hollow: false } },
  image: { color: '#0072b2', dash: '', shape: { symbol: 'circle', hollow: false } },
  instruction: { color: '#c48700', dash: '7,3', shape: { symbol: 'triangle', hollow: false } },
  output: { color: '#009e73', dash: '9,3,2,3', shape: { symbol: 'diamond', hollow: false } },
} as const satisfies Readonly<Record<string, CurveStyle & { readonly shape: Shape }>>;

/** The form of a point. */
export interface Shape {
  readonly symbol: 'circle' | 'square' | 'triangle' | 'diamond' | 'star' | 'cross' | 'wye';
  /** Drawn as an outline on white. */
  readonly hollow: boolean;
}

const SYMBOLS = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross', 'wye'] as const;

/** Fourteen shapes one after the other; more than that repeat. */
export function shapeAt(place: number): Shape {
  return {
    symbol: SYMBOLS[place % SYMBOLS.length] ?? 'circle',
    hollow: place % (2 * SYMBOLS.length) >= SYMBOLS.length,
  };
}

/** A colour made darker: 0 leaves it, 1 makes it black. @param color `#rrggbb` */
export function darker(color: string, by: number): string {
  const channels = rgb(color).map((c) =>
    Math.round(c * (1 - by))
      .toString(16)
      .padStart(2, '0'),
  );
  return `#${channels.join('')}`;
}

/** Black or white, whichever is easier to read on a ground. @param ground `#rrggbb` or `rgb(r, g, b)` */
export function inkOn(ground: string): string {
  return contrast(ground, BLACK) >= contrast(ground, GROUND) ? BLACK : GROUND;
}

/** Contrast of two colours, from 1 to 21. Source: WCAG 2.2, "contrast ratio". */
export function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

/** Relative luminance, from 0 to 1. Source: WCAG 2.2. */
function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = rgb(color).map((c) => {
    const share = c / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function rgb(color: string): readonly number[] {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color);
  if (hex !== null) return hex.slice(1).map((c) => parseInt(c, 16));
  const decimal = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(color);
  if (decimal !== null) return decimal.slice(1).map(Number);
  throw new RangeError(`${color} is neither #rrggbb nor rgb(r, g, b)`);
}
