// A value out of a short list.
import { refuse } from './refuse.js';

/**
 * A parser of one of several words, for commander. Unlike commander's own choices, its error is like those of all
 * other parsers, and the list isn't repeated in the help.
 */
export function oneOf<T extends string>(
  option: string,
  what: string,
  words: readonly T[],
): (value: string) => T {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw refuse(option, value, what, `one of ${words.join(', ')}`);
    return found;
  };
}
