// Whole numbers of options. Digits only: no sign, no exponent, no hexadecimal.
import { refuse } from './refuse.js';

/** Digits that a whole number may have: all such numbers are exact. */
const DIGITS = /^\d{1,15}$/u;

/** The largest number of a port. */
export const PORTS = 65_535;

/**
 * A parser of whole numbers, for commander.
 * @param option the option, as its error names it
 * @param least the smallest number that makes sense
 * @param most the largest
 * @example new Option('--limit <n>').argParser(wholeNumber('--limit', 1))
 */
export function wholeNumber(option: string, least = 0, most = Infinity): (value: string) => number {
  return (value) => {
    if (!DIGITS.test(value) || Number(value) < least || Number(value) > most) {
      throw refuse(option, value, `whole number, ${least} ${most === Infinity ? 'or more' : `to ${most}`}`);
    }
    return Number(value);
  };
}
