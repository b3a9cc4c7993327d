/**
 * The interval of a share of successes, which says something for few samples too: 5 of 5 is [0.57, 1], where drawing the
 * five again always gives five.
 *
 * Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927); recommended over
 * others by Brown, Cai and DasGupta, "Interval estimation for a binomial proportion" (2001).
 */

/** Of the normal distribution: 95% lie within so many deviations. */
const Z = 1.959963984540054;

/** The 95% interval of a share. @param share of successes among `n` trials, in [0, 1] */
export function wilsonInterval(share: number, n: number): { readonly low: number; readonly high: number } {
  const weight = Z ** 2 / n;
  const centre = (share + weight / 2) / (1 + weight);
  const half = (Math.sqrt(weight) * Math.sqrt(share * (1 - share) + weight / 4)) / (1 + weight);
  // at 0 and 1 rounding must not put the share itself outside
  return {
    low: Math.max(0, Math.min(share, centre - half)),
    high: Math.min(1, Math.max(share, centre + half)),
  };
}
