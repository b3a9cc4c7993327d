// The pruning strategies as the commands, the server and the evaluation see them: all of them, by their names.
import { external } from './external.js';
import { findAmong, insideGraph } from './find.js';
import { strategies } from './list.js';
import type { GraphStrategy, Strategy } from './strategy.js';

export { strategies } from './list.js';
export { loop, type Carried } from './loop.js';
export { parseMethod } from './parse-method.js';
export { sharedOut } from './pool.js';
export * from './unlisted.js';

/**
 * The strategy of a name, or the one that is given.
 * @param where what the error calls the option
 * @throws {FastvError} `invalid-option` listing the names, or saying what is wrong with an object
 * @example
 * findStrategy('key-norm').name;
 */
export function findStrategy(strategy: string | Strategy, where = '--strategy'): Strategy {
  return findAmong(strategies, strategy, where);
}

/** What a strategy is inside the graph: itself, or, where the caller ranks, `external`. @throws as {@link findStrategy} */
export function graphStrategy(strategy: string | Strategy): GraphStrategy {
  return insideGraph(findStrategy(strategy));
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
