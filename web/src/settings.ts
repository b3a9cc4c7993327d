// What the visitor has chosen, and how a link carries it.
import { strategies, type StrategyName } from '../../src/strategies/index.js';
import { BUNDLED, type Device, type Dtype } from './engine/types.js';

/** How a decoder is cut. */
export const CUTS = ['fastv', 'pyramid', 'late'] as const;
export type Cut = (typeof CUTS)[number];

/** Everything that a link carries. A picture of one's own stays in the tab. */
export interface Settings {
  readonly model: string;
  readonly dtype: Dtype | 'auto';
  readonly device: Device | 'auto';
  /** A bundled picture's name; empty: none of them. */
  readonly picture: string;
  readonly question: string;
  readonly cut: Cut;
  /** K and R of the cut `fastv`. */
  readonly layer: number;
  readonly ratio: number;
  readonly strategy: StrategyName;
}

export const STRATEGIES: readonly StrategyName[] = strategies.map(({ name }) => name);
export const DTYPES = ['fp32', 'fp16', 'q8', 'q4', 'q4f16'] as const satisfies readonly Dtype[];
export const DEVICES = ['wasm', 'webgpu'] as const satisfies readonly Device[];

export const DEFAULTS: Settings = {
  model: BUNDLED,
  dtype: 'auto',
  device: 'auto',
  picture: '',
  question: '',
  cut: 'fastv',
  layer: 2,
  ratio: 0.5,
  strategy: 'attention',
};

/** Longer questions are cut: what is typed into a link is anyone's. */
const LONGEST = 500;
/** How repositories of the hub are called. */
const HUB_NAME = /^[\w.-]{1,96}\/[\w.-]{1,96}$/u;

/** Whether a text can be a repository's name. */
export function isHubName(text: string): boolean {
  return HUB_NAME.test(text) && !text.includes('..');
}

/**
 * The settings in a link's hash; whatever makes no sense there is the default.
 * @example settingsOf('#ratio=0.75&layer=3').ratio // 0.75
 */
export function settingsOf(hash: string): Settings {
  const given = new URLSearchParams(hash.replace(/^#/u, ''));
  const oneOf = <T extends string>(name: string, all: readonly T[], otherwise: T): T =>
    all.find((one) => one === given.get(name)) ?? otherwise;
  const number = (name: string, low: number, high: number, otherwise: number): number => {
    const text = given.get(name);
    const value = Number(text);
    return text !== null && text !== '' && value >= low && value <= high ? value : otherwise;
  };
  const model = given.get('model') ?? '';
  return {
    model: isHubName(model) ? model : DEFAULTS.model,
    dtype: oneOf('dtype', ['auto', ...DTYPES], DEFAULTS.dtype),
    device: oneOf('device', ['auto', ...DEVICES], DEFAULTS.device),
    picture: (given.get('picture') ?? '').slice(0, LONGEST),
    question: (given.get('question') ?? '').slice(0, LONGEST),
    cut: oneOf('cut', CUTS, DEFAULTS.cut),
    layer: Math.round(number('layer', 1, 1000, DEFAULTS.layer)),
    ratio: number('ratio', 0, 1, DEFAULTS.ratio),
    strategy: oneOf('strategy', STRATEGIES, DEFAULTS.strategy),
  };
}

/** The hash of a link: what is not the default. */
export function hashOf(settings: Settings): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(settings) as [keyof Settings, string | number][]) {
    if (value !== DEFAULTS[name]) said.set(name, String(value));
  }
  return said.size === 0 ? '' : `#${said.toString()}`;
}

/** The layers and shares of a cut. */
export function stagesOf({ cut, layer, ratio }: Pick<Settings, 'cut' | 'layer' | 'ratio'>): {
  readonly layers: readonly number[] | { readonly percentOfDepth: readonly number[] };
  readonly ratios: readonly number[];
} {
  switch (cut) {
    case 'fastv':
      return { layers: [layer], ratios: [ratio] };
    case 'pyramid':
      return { layers: { percentOfDepth: [25, 50, 75] }, ratios: [0.5, 0.5, 0.5] };
    case 'late':
      return { layers: { percentOfDepth: [50] }, ratios: [0.9] };
  }
}
