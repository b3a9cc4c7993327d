import { expect, it } from 'vitest';
import { keyRows } from './key.js';

it('puts entries side by side, and into a new row where there is no room', () => {
  const entry = (text: string) => ({ text, color: '#000000' });
  expect(keyRows([], 300)).toEqual([]);
  const rows = keyRows(['one', 'two', 'three', 'four', 'x'.repeat(100)].map(entry), 300);
  expect(rows.length).toBeGreaterThan(1);
  expect(rows.flat().map(({ text }) => text)).toHaveLength(5);
  for (const row of rows) {
    expect(row[0]?.x).toBe(0);
    const places = row.map(({ x }) => x);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(new Set(places).size).toBe(places.length);
  }
});
