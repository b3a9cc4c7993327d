// Whole numbers of options. Digits only: no sign, no exponent, no hexadecimal.
import { refuse } from './refuse.js';

/** Digits that a whole number may have: all such numbers are exact. */
const DIGITS = /^\d{1,15}$/u;

/**
 * A parser of whole numbers, for commander.
 * @param option the option, as its error names it
 * @param least the smallest number that makes sense
 * @example new Option('--limit <n>').argParser(wholeNumber('--limit', 1))
 */
export function wholeNumber(option: string, least = 0): (value: string) => number {
  return (value) => {
    if (!DIGITS.test(value) || Number(value) < least) {
      throw refuse(option, value, `whole number, ${least} or more`);
    }
    return Number(value);
  };
}
