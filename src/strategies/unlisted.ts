// What the rewrite and the plug need of strategies when they have one at hand: everything but the list of them, whose
// code a page fetches only where another than the paper's is meant (`strategiesMeant` in runtime/options.ts).
import { attention } from './attention.js';
import { external } from './external.js';

export type { StrategyName } from './list.js';
export { stagesOf, stagesOfMean, type ScheduleName } from './schedule.js';
export { unitRows } from './features.js';
export { MOST_ROWS } from './strategy.js';
export {
  checkStanding,
  findPreset,
  methodName,
  presetNames,
  PRESETS,
  standingPresets,
  type Method,
  type PerImage,
  type PresetName,
  type Standing,
} from './method.js';
export type {
  CallerStrategy,
  Draw,
  GraphStrategy,
  ImageShares,
  ImageTokens,
  Segments,
  StageContext,
  Strategy,
  TokenRow,
} from './strategy.js';

/** What is meant where no strategy is named: the paper's. */
export const DEFAULT_STRATEGY = attention.name;

/** What a graph can be made for besides: scores of a caller who has some of their own. */
export const EXTERNAL = external.name;
