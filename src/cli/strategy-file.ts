/** `--strategy-file`: a strategy of the user's own, from a module of theirs. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FastvError } from '../errors.js';
import { readRegular } from '../files/read.js';
import { findStrategy, strategies, type Strategy } from '../strategies/index.js';

/** A strategy is a page of JavaScript. */
const MAX_BYTES = 2 ** 20;
const WHERE = '--strategy-file';

/** A strategy, and what its file is known by in records. */
export interface StrategyFile {
  readonly strategy: Strategy;
  /** SHA-256 of the file. */
  readonly digest: string;
}

/**
 * Runs a module and takes the strategy that is its default export.
 * @throws {FastvError} `io` for a file that cannot be read, `invalid-option` for one that holds no strategy
 */
export async function strategyFile(path: string): Promise<StrategyFile> {
  const bytes = await readRegular(path, MAX_BYTES);
  const digest = createHash('sha256').update(bytes).digest('hex');
  let module: { readonly default?: unknown };
  try {
    // the user's own program, which they ask to be run
    module = (await import(pathToFileURL(resolve(path)).href)) as { readonly default?: unknown };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FastvError('invalid-option', `the module cannot be loaded: ${reason}`, {
      where: path,
      hint: 'An ES module whose default export is a strategy: export default { name, where, score }.',
      cause: error,
    });
  }
  if (typeof module.default !== 'object') {
    throw new FastvError('invalid-option', 'the module has no strategy as its default export', {
      where: path,
      hint: 'export default { name, where, score }',
    });
  }
  const strategy = findStrategy(module.default as Strategy, WHERE);
  if (
    !/^[a-z][a-z0-9-]{0,39}$/u.test(strategy.name) ||
    strategies.some(({ name }) => name === strategy.name)
  ) {
    throw new FastvError('invalid-option', `a strategy cannot be named ${JSON.stringify(strategy.name)}`, {
      where: path,
      hint: 'Lower case, digits and hyphens, and no name that fastv strategies lists.',
    });
  }
  return { strategy, digest };
}
