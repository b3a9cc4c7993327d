// A strategy of a name among some, and what it is inside a graph.
import { FastvError } from '../errors.js';
import { external } from './external.js';
import type { GraphStrategy, Strategy } from './strategy.js';

/**
 * The strategy of a name among those given and `external`, or the one that is given.
 * @param where what the error calls the option
 * @throws {FastvError} `invalid-option` listing the names, or saying what is wrong with an object
 */
export function findAmong(
  strategies: readonly Strategy[],
  strategy: string | Strategy,
  where = '--strategy',
): Strategy {
  if (typeof strategy !== 'string') return checked(strategy, where);
  const found = [...strategies, external].find(({ name }) => name === strategy);
  if (found !== undefined) return found;
  throw new FastvError('invalid-option', `there is no strategy ${JSON.stringify(strategy)}`, {
    where,
    hint: `Choose among ${strategies.map(({ name }) => name).join(', ')}.`,
  });
}

/** What a strategy is inside the graph: itself, or, where the caller ranks, `external`. */
export function insideGraph(strategy: Strategy): GraphStrategy {
  return strategy.where === 'graph' ? strategy : external;
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
