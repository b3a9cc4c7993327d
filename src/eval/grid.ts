/** The cells of a sweep: every K, R and strategy, and beside them always the baselines. */
import { FastvError } from '../errors.js';
import {
  downsampledCondition,
  prunedCondition,
  UNPRUNED,
  type Condition,
  type Strategy,
} from './answerer.js';

/** What a sweep goes over. */
export interface Grid {
  /** K. At 0 there is no attention to rank by, so only the baselines are run there. */
  readonly layers: readonly number[];
  /** R. */
  readonly ratios: readonly number[];
  readonly strategies: readonly Strategy[];
  /** Seeds of the random baseline, three or more: one draw says nothing. */
  readonly seeds: readonly number[];
  /** At which K random and grid are run beside attention; all of them, if it is not said. */
  readonly baselineLayers?: readonly number[];
  /** Whether images scaled down to the same number of tokens are run too (default true). */
  readonly downsample?: boolean;
}

const MIN_SEEDS = 3;

/**
 * The conditions of a sweep, the unpruned model first, each once.
 * @throws FastvError `invalid-option` for an empty grid, too few seeds, or nonsense
 */
export function gridConditions(grid: Grid): readonly Condition[] {
  const { layers, ratios, strategies, seeds, downsample = true } = grid;
  const invalid = (message: string, where: string): FastvError =>
    new FastvError('invalid-option', message, { where });
  if (layers.length === 0 || ratios.length === 0 || strategies.length === 0) {
    throw invalid('a sweep needs at least one K, one R and one strategy', 'grid');
  }
  if (new Set(seeds).size < MIN_SEEDS) {
    throw invalid(
      `the random baseline needs at least ${MIN_SEEDS} seeds, this has ${new Set(seeds).size}`,
      '--seeds',
    );
  }
  const wrong = layers.find((k) => !Number.isInteger(k) || k < 0);
  if (wrong !== undefined) throw invalid(`K must be a whole number, 0 or more: ${wrong}`, '--layers');
  const outside = ratios.find((r) => !(r > 0 && r < 1));
  if (outside !== undefined) {
    throw invalid(`R must lie between 0 and 1: ${outside}`, '--ratios');
  }
  const baselineLayers = new Set(grid.baselineLayers ?? layers);
  const conditions = new Map<string, Condition>([[UNPRUNED.name, UNPRUNED]]);
  const add = (condition: Condition): void => {
    conditions.set(condition.name, condition);
  };
  for (const layer of layers) {
    for (const ratio of ratios) {
      const baselines: readonly Strategy[] =
        layer === 0 || baselineLayers.has(layer) ? ['random', 'grid'] : [];
      for (const strategy of new Set([...strategies, ...baselines])) {
        if (strategy === 'attention' && layer === 0) continue;
        if (strategy === 'random')
          for (const seed of seeds) add(prunedCondition(layer, ratio, strategy, seed));
        else add(prunedCondition(layer, ratio, strategy));
      }
    }
  }
  if (downsample) for (const ratio of ratios) add(downsampledCondition(ratio));
  return [...conditions.values()];
}
