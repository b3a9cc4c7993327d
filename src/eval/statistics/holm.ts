/**
 * p-values of several comparisons, so that the chance of finding any difference where there is none stays what a single
 * p-value says.
 *
 * Source: Holm, "A simple sequentially rejective multiple test procedure" (1979).
 */

/** The p-values, adjusted; in the order in which they were given. */
export function holm(pValues: readonly number[]): number[] {
  const order = [...pValues.keys()].sort((a, b) => (pValues[a] ?? 0) - (pValues[b] ?? 0));
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  for (const [rank, place] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * (pValues[place] ?? NaN)));
    adjusted[place] = largest;
  }
  return adjusted;
}
