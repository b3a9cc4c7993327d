// What every parser of an option's value says when it refuses one.
import { FastvError } from '../../errors.js';

/** The most of a value that is repeated. */
const SHOWN = 80;

/** The error for a value that an option cannot have: `"x" is no …`. */
export function refuse(option: string, value: string, what: string, hint?: string): FastvError {
  return new FastvError('invalid-option', `${JSON.stringify(value.slice(0, SHOWN))} is no ${what}`, {
    where: option,
    ...(hint === undefined ? {} : { hint }),
  });
}
