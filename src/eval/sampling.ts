/**
 * Which samples of a task a limit leaves: drawn by a seed, from each category in proportion, and whole pairs or copies.
 * The first rows of a dataset do not stand for it where it is ordered: MMMU lies subject by subject, POPE category by
 * category.
 *
 * A unit's place in the draw is a hash of the seed and its name, so the draw is the same on every machine, and a higher limit
 * keeps nearly all that a lower one had.
 */
import { createHash } from 'node:crypto';
import { groupBy } from './group-by.js';
import type { Sample } from './tasks/sample.js';

/** How a limit is met. */
export interface Sampling {
  /** By the seed, or the first rows, so that no more of a dataset is read than them. */
  readonly how: 'random' | 'first';
  readonly seed: number;
}

/** What was drawn. */
export interface Drawn {
  readonly ids: ReadonlySet<string>;
  /** Of so many samples, in so many categories. */
  readonly of: number;
  readonly categories: number;
}

interface DrawUnit {
  readonly category: string | null;
  readonly ids: string[];
  readonly order: string;
}

/**
 * Draws samples.
 * @param samples all of a task
 * @param limit how many are wanted; fewer are drawn where units of several samples do not fill it
 */
export async function drawSamples(
  samples: AsyncIterable<Pick<Sample, 'id' | 'category' | 'group'>>,
  limit: number,
  seed: number,
): Promise<Drawn> {
  const units = new Map<string, DrawUnit>();
  let of = 0;
  for await (const { id, category, group } of samples) {
    of++;
    const name = group === null ? `sample\n${id}` : `group\n${category ?? ''}\n${group}`;
    const unit = units.get(name);
    if (unit !== undefined) unit.ids.push(id);
    else units.set(name, { category, ids: [id], order: hash(seed, name) });
  }
  const strata = [...groupBy(units.values(), ({ category }) => category).values()];
  const wanted = Math.floor((limit * units.size) / Math.max(1, of));
  const drawn = shares(
    strata.map((members) => members.length),
    wanted,
  ).flatMap((count, i) => (strata[i] ?? []).sort((a, b) => (a.order < b.order ? -1 : 1)).slice(0, count));
  const ids = new Set<string>();
  for (const unit of drawn.sort((a, b) => (a.order < b.order ? -1 : 1)))
    if (ids.size + unit.ids.length <= limit) for (const id of unit.ids) ids.add(id);
  return { ids, of, categories: strata.length };
}

/** Whole numbers in proportion to sizes, by the largest remainders; none is larger than its size. */
function shares(sizes: readonly number[], wanted: number): number[] {
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (wanted >= all) return [...sizes];
  const exact = sizes.map((size) => (wanted * size) / all);
  const counts = exact.map(Math.floor);
  const byRemainder = [...exact.keys()].sort(
    (a, b) => (exact[b] ?? 0) - (counts[b] ?? 0) - ((exact[a] ?? 0) - (counts[a] ?? 0)) || a - b,
  );
  const left = wanted - counts.reduce((sum, count) => sum + count, 0);
  for (const place of byRemainder.slice(0, left)) counts[place] = (counts[place] ?? 0) + 1;
  return counts;
}

function hash(seed: number, name: string): string {
  return createHash('sha256').update(`${seed}\n${name}`).digest('hex');
}
