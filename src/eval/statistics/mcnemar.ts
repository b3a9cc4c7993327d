/**
 * McNemar's exact test: do two models get the same questions right, but for chance? Only the questions
 * on which they differ count; under the null hypothesis each way is as likely.
 *
 * Source: McNemar, "Note on the sampling error of the difference between correlated proportions" (1947);
 * the exact binomial form as in Fagerland, Lydersen and Laake (2013), section 2.
 */
import { FastvError } from '../../errors.js';

export interface McNemar {
  /** Questions only the first got right, and only the second. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided. */
  readonly pValue: number;
}

/** @throws FastvError `invalid-input` if the two have not answered the same number of questions */
export function mcnemarExact(first: readonly boolean[], second: readonly boolean[]): McNemar {
  if (first.length !== second.length) {
    throw new FastvError(
      'invalid-input',
      `McNemar: ${first.length} and ${second.length} answers cannot be paired`,
    );
  }
  const onlyFirst = first.filter((right, i) => right && second[i] === false).length;
  const onlySecond = first.filter((right, i) => !right && second[i] === true).length;
  const n = onlyFirst + onlySecond;
  // P(X ≤ k) for X ~ Binomial(n, ½), in logarithms: n may be thousands
  let logChoose = 0;
  let tail = 0;
  for (let k = 0; k <= Math.min(onlyFirst, onlySecond); k++) {
    if (k > 0) logChoose += Math.log(n - k + 1) - Math.log(k);
    tail += Math.exp(logChoose - n * Math.LN2);
  }
  return { onlyFirst, onlySecond, pValue: Math.min(1, 2 * tail) };
}
