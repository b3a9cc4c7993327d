/** The ready-made recipes, by name. */
import { FastvError } from '../../errors.js';
import { attentionVsRandom } from './attention-vs-random.js';
import { failureModes } from './failure-modes.js';
import { paperKr } from './paper-kr.js';
import type { Recipe } from './recipe.js';
import { resolution } from './resolution.js';
import { strategiesRecipe } from './strategies.js';
import { video } from './video.js';

export const RECIPES: ReadonlyMap<string, Recipe> = new Map(
  [paperKr, attentionVsRandom, resolution, failureModes, video, strategiesRecipe].map((recipe) => [
    recipe.name,
    recipe,
  ]),
);

/** @throws FastvError `invalid-option` for a name that is no recipe */
export function findRecipe(name: string): Recipe {
  const recipe = RECIPES.get(name);
  if (recipe === undefined) {
    throw new FastvError('invalid-option', `no recipe is named ${JSON.stringify(name.slice(0, 100))}`, {
      where: '--recipe',
      hint: `recipes: ${[...RECIPES.keys()].join(', ')}`,
    });
  }
  return recipe;
}
