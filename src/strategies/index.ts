// The pruning strategies as the rewrite, the plug, the commands and the evaluation see them.
import { FastvError } from '../errors.js';
import { attention } from './attention.js';
import { external } from './external.js';
import { strategies } from './list.js';
import type { GraphStrategy, Strategy } from './strategy.js';

export { strategies, type StrategyName } from './list.js';
export { stagesOf, stagesOfMean, type ScheduleName } from './schedule.js';
export { unitRows } from './features.js';
export { sharedOut } from './pool.js';
export { MOST_ROWS } from './strategy.js';
export {
  checkStanding,
  findPreset,
  methodName,
  parseMethod,
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

/**
 * The strategy of a name, or the one that is given.
 * @param where what the error calls the option
 * @throws {FastvError} `invalid-option` listing the names, or saying what is wrong with an object
 * @example
 * findStrategy('key-norm').name;
 */
export function findStrategy(strategy: string | Strategy, where = '--strategy'): Strategy {
  if (typeof strategy !== 'string') return checked(strategy, where);
  const found: Strategy | undefined = [...strategies, external].find(({ name }) => name === strategy);
  if (found !== undefined) return found;
  throw new FastvError('invalid-option', `there is no strategy ${JSON.stringify(strategy)}`, {
    where,
    hint: `Choose among ${strategies.map(({ name }) => name).join(', ')}.`,
  });
}

/** What a strategy is inside the graph: itself, or, where the caller ranks, `external`. @throws as {@link findStrategy} */
export function graphStrategy(strategy: string | Strategy): GraphStrategy {
  const found = findStrategy(strategy);
  return found.where === 'graph' ? found : external;
}

/** Whether a strategy ranks at layer K−1, so that it has nothing to look at before layer 0. */
export function needsLayer(strategy: string | Strategy): boolean {
  return graphStrategy(strategy).needsLayer;
}

/** Whether a strategy draws, so that one seed says nothing of it. */
export function isSeeded(strategy: string | Strategy): boolean {
  const found = findStrategy(strategy);
  return found.where === 'caller' && found.seeded === true;
}

/** Whether a strategy is one of this program's, so that its name says what it does. */
export function isListed(strategy: Strategy): boolean {
  return strategy === external || strategies.some((listed) => listed === strategy);
}

/** A strategy that a caller wrote comes from outside: from JavaScript, it may be anything. */
function checked(strategy: Strategy, where: string): Strategy {
  const given = (strategy as unknown as Record<string, unknown> | null | undefined) ?? {};
  const method = { graph: 'score', caller: 'scores' }[String(given['where'])] ?? '';
  if (typeof given['name'] === 'string' && typeof given[method] === 'function') return strategy;
  throw new FastvError('invalid-option', 'this is no strategy', {
    where,
    hint: "A strategy has a name, where: 'graph' with score(context), or where: 'caller' with scores(row, draw).",
  });
}
