import { strategies, type Method, type StrategyName } from '../../strategies/index.js';
import type { Recipe } from './recipe.js';

/** Strategies that are run besides with the weights and the means of what kept tokens stand for. */
const STANDING: readonly StrategyName[] = ['attention', 'attention-diversity', 'mmr', 'scope', 'dpp'];

const methods: readonly (StrategyName | Method)[] = [
  ...strategies.map(({ name }) => name),
  { strategy: 'scope', weights: 'sizes' },
  ...STANDING.map((strategy): Method => ({ strategy, weights: 'sizes', merge: 'mean' })),
];

/** Which rule keeps most, at the same K and R? */
export const strategiesRecipe: Recipe = {
  name: 'strategies',
  about:
    'which rule of selection keeps most, what sizes and means of clusters add, and schedules at equal means',
  source: 'docs/results/strategies',
  tasks: ['scenes'],
  grid: {
    layers: [2, 4],
    ratios: [0.5, 0.75, 0.9, 0.95],
    strategies: methods,
    seeds: [0, 1, 2, 3, 4],
    // what R = 50 % behind two of the bundled model's ten layers comes to: 144 tokens twice, 72 eight times
    schedules: [{ mean: 86 }],
  },
  limit: 300,
};
