import { expect, it } from 'vitest';
import { drawSamples } from './sampling.js';

interface One {
  readonly id: string;
  readonly category: string | null;
  readonly group: string | null;
}

async function* each(samples: readonly One[]): AsyncGenerator<One> {
  for (const sample of samples) yield await Promise.resolve(sample);
}

/** Ordered by subject: 60 of one, 30 of another, 10 of a third. */
const ordered = Array.from({ length: 100 }, (_, i): One => ({
  ...{ id: String(i), group: null },
  category: i < 60 ? 'a' : i < 90 ? 'b' : 'c',
}));

it('draws from each category in proportion, whatever the order of the rows', async () => {
  const { ids, of, categories } = await drawSamples(each(ordered), 10, 0);
  expect({ of, categories }).toEqual({ of: 100, categories: 3 });
  const drawn = ordered.filter(({ id }) => ids.has(id)).map(({ category }) => category);
  expect(drawn.join('')).toBe('aaaaaabbbc');
  const turned = await drawSamples(each([...ordered].reverse()), 10, 0);
  expect(turned.ids).toEqual(ids);
});

it('is another draw with another seed, and goes on with a higher limit', async () => {
  const [ten, other, twenty] = await Promise.all([
    drawSamples(each(ordered), 10, 0),
    drawSamples(each(ordered), 10, 1),
    drawSamples(each(ordered), 20, 0),
  ]);
  expect(other.ids).not.toEqual(ten.ids);
  for (const id of ten.ids) expect(twenty.ids).toContain(id);
});

it('keeps pairs together, and never draws more than the limit', async () => {
  const pairs = Array.from({ length: 40 }, (_, i): One => ({
    ...{ id: String(i), category: i < 20 ? 'a' : 'b' },
    group: String(i >> 1),
  }));
  for (const limit of [1, 2, 7, 39, 40, 100]) {
    const { ids } = await drawSamples(each(pairs), limit, 3);
    expect(ids.size).toBe(Math.min(40, limit - (limit % 2)));
    for (const id of ids) expect(ids).toContain(String(Number(id) ^ 1));
  }
});
