/** The Pareto front: the points that no other beats in both cost and quality. */

/**
 * The points that are not dominated, by rising cost. A point is dominated if another costs no more and is
 * no worse, and differs in one of the two.
 */
export function paretoFront<T>(
  points: readonly T[],
  cost: (point: T) => number,
  quality: (point: T) => number,
): readonly T[] {
  const usable = points.filter((p) => Number.isFinite(cost(p)) && Number.isFinite(quality(p)));
  const sorted = [...usable].sort((a, b) => cost(a) - cost(b) || quality(b) - quality(a));
  const front: T[] = [];
  let best = -Infinity;
  let bestCost = NaN;
  for (const point of sorted) {
    const [c, q] = [cost(point), quality(point)];
    // equal in both: neither dominates the other
    if (q > best || (q === best && c === bestCost)) {
      front.push(point);
      best = q;
      bestCost = c;
    }
  }
  return front;
}
