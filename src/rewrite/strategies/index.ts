// The pruning strategies, by name.
import { FastvError } from '../../errors.js';
import { attention } from './attention.js';
import { external } from './external.js';
import { keyNorm } from './key-norm.js';
import type { Strategy } from './strategy.js';

/** Every strategy that `--strategy` accepts. */
export const strategies: readonly Strategy[] = [attention, external, keyNorm];

/** The strategy of a name. @throws {FastvError} `invalid-option` listing the names */
export function findStrategy(name: string): Strategy {
  const found = strategies.find((strategy) => strategy.name === name);
  if (found !== undefined) return found;
  throw new FastvError('invalid-option', `there is no strategy ${JSON.stringify(name)}`, {
    where: '--strategy',
    hint: `Choose among ${strategies.map((strategy) => strategy.name).join(', ')}.`,
  });
}
