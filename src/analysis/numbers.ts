/** Numbers as reports and plots write them. */

/** A share in percent, without a unit; a dash for what there is not. */
export function percent(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined || Number.isNaN(share) ? '—' : (100 * share).toFixed(digits);
}

/** A share in percent with no more digits than it needs: 50, 12.5. */
export function percentNumber(share: number): string {
  return String(Number((100 * share).toFixed(2)));
}

/** A number with its sign; what rounds to 0 has both. */
export function signed(value: number, digits = 1): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? `±${text}` : `${value > 0 ? '+' : '−'}${text}`;
}
