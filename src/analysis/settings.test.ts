import { expect, it } from 'vitest';
import { settingsOf } from './settings.js';

it('turns nested settings into rows without braces', () => {
  const options = {
    dtype: 'q8',
    limit: null,
    batch: 4,
    greedy: true,
    layers: [2, 3],
    none: [],
    absent: undefined,
  };
  expect(settingsOf('options', options)).toEqual([
    ['options › dtype', 'q8'],
    ['options › limit', 'none'],
    ['options › batch', '4'],
    ['options › greedy', 'yes'],
    ['options › layers', '2, 3'],
    ['options › none', 'none'],
  ]);
  expect(settingsOf('model', 'a')).toEqual([['model', 'a']]);
  expect(settingsOf('runs', [{ a: 1 }, { b: { c: [] } }])).toEqual([
    ['runs › 1 › a', '1'],
    ['runs › 2 › b › c', 'none'],
  ]);
});
