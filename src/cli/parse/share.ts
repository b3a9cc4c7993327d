// Shares of options: `0.5` and `50%` are the same everywhere.
import { refuse } from './refuse.js';

const HINT = 'a share lies between 0 and 1: write 0.5 or 50%';

/** Reads `0.5` as 0.5 and `50%` too; undefined for what is no plain number. The range is not looked at. */
export function readShare(text: string): number | undefined {
  const [, digits, percent] = /^(\d+\.?\d*|\.\d+) *(%?)$/u.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  return percent === '%' ? Number(digits) / 100 : Number(digits);
}

/**
 * A parser of shares in [0, 1], for commander.
 * @param option the option, as its error names it
 */
export function share(option: string): (value: string) => number {
  return (value) => {
    const number = readShare(value);
    if (number === undefined || number > 1) throw refuse(option, value, 'share from 0 to 1', HINT);
    return number;
  };
}
