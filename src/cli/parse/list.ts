// Lists of options: values with commas between.
import { FastvError } from '../../errors.js';

/**
 * A parser of lists, for commander.
 * @param option the option, as its error names it
 * @param what what the values are, for the error
 * @param parse reads one of them
 */
export function listOf<T>(
  option: string,
  what: string,
  parse: (value: string) => T,
): (value: string) => readonly T[] {
  return (value) => {
    const parts = value.split(',').map((part) => part.trim());
    if (parts.includes('')) {
      throw new FastvError('invalid-option', `${what} with commas between are needed`, { where: option });
    }
    return [...new Set(parts.map(parse))];
  };
}

/** A parser of lists of names. */
export function names(option: string): (value: string) => readonly string[] {
  return listOf(option, 'names', (name) => name);
}
