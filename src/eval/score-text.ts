/** Scores as tables print them, so that the terminal and the report say the same. */
import type { Metric } from './metrics/metric.js';

/** A score, or a bound or difference of scores, in its metric's unit: percent without the sign, or points. */
export function scoreText(score: number, unit: Metric['unit']): string {
  if (Number.isNaN(score)) return '—';
  return (unit === 'points' ? score : 100 * score).toFixed(1);
}

/** Samples below which a table should warn that its intervals say little. */
export const FEW_SAMPLES = 30;
