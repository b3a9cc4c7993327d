// Options that say nothing where they are given: the user meant something by them, so they are refused.
import type { Command } from 'commander';
import { FastvError } from '../../errors.js';

/**
 * Refuses an option that was given on the command line and has no effect.
 * @param option its long name, for example `--seed`
 * @param why what makes it idle
 * @param hint what gives it an effect
 * @throws {FastvError} `invalid-option`
 */
export function refuseIdle(command: Command, option: string, why: string, hint: string): void {
  const found = command.options.find(({ long }) => long === option);
  if (found === undefined || command.getOptionValueSource(found.attributeName()) !== 'cli') return;
  throw new FastvError('invalid-option', why, { where: option, hint });
}
