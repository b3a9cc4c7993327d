// The one list of pruning strategies.
import { attentionDiversity } from './attention-diversity.js';
import { attentionText } from './attention-text.js';
import { attention } from './attention.js';
import { dart } from './dart.js';
import { divprune } from './divprune.js';
import { dpp } from './dpp.js';
import { feather } from './feather.js';
import { grid } from './grid.js';
import { headMax } from './head-max.js';
import { headsInTurn } from './heads-in-turn.js';
import { ivc } from './ivc.js';
import { keyMeanNorm } from './key-mean-norm.js';
import { keyNorm } from './key-norm.js';
import { mmr } from './mmr.js';
import { random } from './random.js';
import { scope } from './scope.js';
import { sieveLite } from './sieve-lite.js';
import type { Strategy } from './strategy.js';
import { v2drop } from './v2drop.js';
import { vispruner } from './vispruner.js';

const LIST = [
  attention,
  keyNorm,
  keyMeanNorm,
  headMax,
  headsInTurn,
  attentionText,
  feather,
  v2drop,
  attentionDiversity,
  divprune,
  mmr,
  scope,
  dpp,
  sieveLite,
  dart,
  vispruner,
  ivc,
  random,
  grid,
] as const satisfies readonly Strategy[];

/** The name of a strategy in the list. */
export type StrategyName = (typeof LIST)[number]['name'];

/** Every strategy that can be asked for by its name. */
export const strategies: readonly (Strategy & { readonly name: StrategyName })[] = LIST;
