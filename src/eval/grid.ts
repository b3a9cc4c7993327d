/** The cells of a sweep: every K, R and strategy, and beside them always the baselines. */
import { FastvError } from '../errors.js';
import {
  isSeeded,
  needsLayer,
  presetNames,
  PRESETS,
  strategies as listed,
  type StrategyName,
} from '../strategies/index.js';
import {
  atSize,
  atSizes,
  downsampledCondition,
  prunedCondition,
  tokensCondition,
  UNPRUNED,
  type AskedMethod,
  type Condition,
  type FlopsOf,
  type TokenTarget,
} from './answerer.js';

/** What a sweep goes over. */
export interface Grid {
  /** K. At 0 there is no layer to look at, so only strategies that need none are run there. */
  readonly layers: readonly number[];
  /** R. */
  readonly ratios: readonly number[];
  /** Numbers of image tokens, kept behind K or seen by a layer on average: in place of R, or besides. */
  readonly tokens?: readonly TokenTarget[];
  /** Strategies by their names, or with what kept tokens stand for. */
  readonly strategies: readonly (StrategyName | AskedMethod)[];
  /** Seeds of the random baseline, three or more: one draw says nothing. */
  readonly seeds: readonly number[];
  /** At which K the baselines are run besides; all of them, if it is not said. */
  readonly baselineLayers?: readonly number[];
  /**
   * Whether the presets that are schedules are run too, as they are and at these means of image tokens over layers; default:
   * no.
   */
  readonly schedules?: readonly TokenTarget[];
  /** Whether images scaled down to the same number of tokens are run too (default true). */
  readonly downsample?: boolean;
  /**
   * Pixels at which images are seen: all of the grid is run at each. The first, unpruned, is what everything else is compared
   * with. Default: the size of the model's own processor.
   */
  readonly imageSizes?: readonly number[];
  /**
   * Whether the other sizes are pruned so far besides that they cost what the first one costs unpruned, by the FLOPs of the
   * decoder or of both; with the decoder's, features averaged to the first size's grid are run too, unless `downsample` is false.
   */
  readonly sameFlops?: readonly FlopsOf[];
}

const MIN_SEEDS = 3;

const baselines = listed.flatMap(({ name, baseline }) => (baseline === true ? [name] : []));

/**
 * The conditions of a sweep, the unpruned model first, each once.
 * @throws FastvError `invalid-option` for an empty grid, too few seeds, or nonsense
 */
export function gridConditions(grid: Grid): readonly Condition[] {
  const { imageSizes = [], sameFlops = [], layers, strategies, downsample = true } = grid;
  const own = cells(grid);
  const [first, ...others] = [...new Set(imageSizes)];
  if (first === undefined) return own;
  const equal = others.flatMap((size) => {
    const pruned = sameFlops.flatMap((flops) =>
      layers.flatMap((layer) =>
        strategies
          .filter((method) => typeof method === 'string' || method.schedule === undefined)
          .filter((method) => layer > 0 || !needsLayer(typeof method === 'string' ? method : method.strategy))
          .map((method) => tokensCondition(layer, { sameAs: first, flops }, method)),
      ),
    );
    const smaller = downsample && size > first && sameFlops.includes('decoder');
    const averaged = smaller ? [downsampledCondition(1 - (first / size) ** 2)] : [];
    return [...pruned, ...averaged].map((condition) => atSize(size, condition));
  });
  const all = [...atSizes(imageSizes, own), ...equal];
  return [...new Map(all.map((condition) => [condition.name, condition])).values()];
}

/** The conditions at one size. */
function cells(grid: Grid): readonly Condition[] {
  const { layers, ratios, strategies, seeds, tokens = [], downsample = true } = grid;
  const { imageSizes = [], sameFlops = [] } = grid;
  const invalid = (message: string, where: string): FastvError =>
    new FastvError('invalid-option', message, { where });
  const sizesAlone = imageSizes.length > 1 || sameFlops.length > 0;
  if (
    layers.length === 0 ||
    (ratios.length + tokens.length === 0 && !sizesAlone) ||
    strategies.length === 0
  ) {
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
    const beside = layer === 0 || baselineLayers.has(layer) ? baselines : [];
    for (const much of [...ratios, ...tokens]) {
      for (const method of new Set([...strategies, ...beside])) {
        const strategy = typeof method === 'string' ? method : method.strategy;
        const scheduled = typeof method === 'object' && method.schedule !== undefined;
        if (scheduled && typeof much === 'object' && !('mean' in much)) continue;
        if (layer === 0 && !scheduled && needsLayer(strategy)) continue;
        // before layer 0 there is no attention to go by
        if (layer === 0 && typeof much === 'object' && 'mass' in much) continue;
        const condition = (seed?: number): Condition =>
          typeof much === 'number'
            ? prunedCondition(layer, much, method, seed)
            : tokensCondition(layer, much, method, seed);
        if (isSeeded(strategy)) for (const seed of seeds) add(condition(seed));
        else add(condition());
      }
    }
  }
  for (const name of grid.schedules === undefined ? [] : presetNames) {
    const method: AskedMethod = PRESETS[name];
    if (method.schedule === undefined) continue;
    add(prunedCondition(0, 0, method));
    for (const mean of grid.schedules ?? []) add(tokensCondition(0, mean, method));
  }
  if (downsample) for (const ratio of ratios) add(downsampledCondition(ratio));
  return [...conditions.values()];
}
